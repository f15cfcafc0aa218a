# perl: text, sockets in pairs, fork, pipes, select, signals, sprintf.
. "$(dirname "$0")/lib.sh"
need perl
same_as_native perl -e '
use strict; use Socket; use IO::Handle; use POSIX ();
my %h; $h{length $_}++ for split /\W+/, "the quick brown fox jumps over the lazy dog"; print "$_:$h{$_} " for sort keys %h; print "\n";
socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or print "socketpair: $!\n";
if ($a) { $a->autoflush(1); my $pid = fork; if (!$pid) { close $a; while (<$b>) { print $b "echo $_"; $b->flush } POSIX::_exit(4) }
close $b; print $a "line\n"; print scalar <$a>; shutdown($a, 1); waitpid $pid, 0; print $? >> 8, "\n"; }
open(my $p, "-|", "seq 1 100000") or die; my $s = 0; $s += $_ while <$p>; close $p; print "$s $?\n";
local $SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$; select(undef, undef, undef, 0.02);
open(my $f, ">", "f") or die; print $f "x" x 100000; close $f; print -s "f", "\n"; print `cat f | md5sum`; die "end\n"'
expect_native 5000050000
finish
