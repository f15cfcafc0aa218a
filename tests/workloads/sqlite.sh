# sqlite3: transactions, an index, a rollback journal, WAL with its shared memory, two writers.
. "$(dirname "$0")/lib.sh"
need sqlite3
same_as_native sh -c '
sqlite3 t.db "create table t(a integer primary key, b text); begin; with recursive c(x) as (values(1) union all select x+1 from c where x<20000) insert into t select x, printf(\"row %d\", x) from c; commit; create index i on t(b); select count(*), sum(a), max(b) from t;"
sqlite3 t.db "begin; delete from t; rollback; select count(*) from t; pragma integrity_check;"
sqlite3 t.db "pragma journal_mode=wal; insert into t(b) values (\"wal\"); select count(*) from t;"
for i in 1 2; do (for k in $(seq 1 15); do sqlite3 -cmd ".timeout 20000" t.db "insert into t(b) values (\"$i\");"; done) & done; wait
sqlite3 t.db "select count(*) from t; pragma wal_checkpoint; vacuum; select count(*) from t where b < \"3\"; .dump" | sha256sum
sqlite3 t.db "select count(*) from t; select * from nowhere;"; echo $?; ls'
expect_native 20031
finish
