# git: init, add, commit, branches, log, clone over file and pipe, gc, fsck.
. "$(dirname "$0")/lib.sh"
need git
prepare() {
    cat >t.sh <<'S'
set -e
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='2020-01-02 03:04:05 +0000' GIT_COMMITTER_DATE='2020-01-02 03:04:05 +0000'
git -c init.defaultBranch=main init -q r
cd r
for i in $(seq 1 100); do echo "file $i" >f$i; done
git add .
git commit -q -m first
git checkout -q -b side; echo more >>f1; git commit -q -am second
git checkout -q main; echo else >>f2; git commit -q -am third
git merge -q -m merge side
git log --oneline --graph --stat | cat
git status --short; git diff HEAD~1 | cat
cd ..
git clone -q r clone 2>&1
git clone -q --no-local --bare r bare.git 2>&1
git -C clone log --format='%H %s' | cat
git -C bare.git fsck 2>&1; git -C r gc -q; git -C r count-objects -v | grep -v size
git -C clone grep -c file | wc -l; rm -rf clone; git -C r rev-parse HEAD:
S
}
same_as_native sh t.sh
expect_native merge
finish
