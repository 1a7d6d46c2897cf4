# A workload that says when it runs: a file for each run, in a folder that all machines of a lab share, with times of the
# one monotonic clock that they share too. Written in what every Debian has (perl-base), for units and for containers.
#   perl beat.pl MODE [STOP_MS]
#     MODE      keep or stop, as the workload asks for it; only noted
#     STOP_MS   how long it runs on when it's told to end
# First line: the run, as JSON. Then one line of fixed width for each stretch without a gap: from, to (ns), and '.', or 'E'
# once it has ended by itself. A stretch's second number is rewritten at each beat, so a run that is killed ends with its
# last beat. Each second it also writes to the store that checks fencing tokens, if one listens.
use strict;
use warnings;
use Socket;
use Fcntl;

my ($mode, $stop_ms) = (@ARGV, 'keep', 0);
$stop_ms = 0 unless @ARGV > 1;
my $folder = $ENV{BEAT_FOLDER} // '/var/lib/muster-lab-log';
my $beat_s = 0.05;
my $gap_ns = 250_000_000;
my $write_every_ns = 1_000_000_000;

sub now_ns {
  my $buffer = "\0" x 16;
  syscall(228, 1, $buffer); # clock_gettime(CLOCK_MONOTONIC), x86-64
  my ($s, $ns) = unpack('qq', $buffer);
  return $s * 1_000_000_000 + $ns;
}

sub first_line {
  open(my $file, '<', shift) or return '';
  my $line = <$file> // '';
  chomp $line;
  return $line;
}

my $began = now_ns();
my $told;
$SIG{TERM} = sub { $told //= now_ns() };
$SIG{PIPE} = 'IGNORE';
my $instance = $ENV{MUSTER_INSTANCE} // 'unknown';
my $node = $ENV{MUSTER_NODE} // 'unknown';
my $token = $ENV{MUSTER_FENCING_TOKEN} // '';
my $boot = first_line('/run/muster-lab-boot') || first_line('/proc/sys/kernel/random/boot_id');
my $run = "$instance~$node~$began";
sysopen(my $log, "$folder/runs/$run", O_WRONLY | O_CREAT | O_EXCL, 0644) or die "$folder/runs/$run: $!";
my $head = sprintf("{\"instance\":\"%s\",\"node\":\"%s\",\"mode\":\"%s\",\"boot\":\"%s\",\"pid\":%d,\"token\":\"%s\",\"beganNs\":%d}\n",
  $instance, $node, $mode, $boot, $$, $token, $began);
my $position = length $head;
my ($from, $to) = ($began, $began);

sub stretch { return sprintf("%020d %020d %s\n", $from, $to, shift) }

# One write, so that a reader never sees half of it.
syswrite($log, $head . stretch('.'));

sub beat {
  my $mark = shift;
  my $now = now_ns();
  if ($now - $to > $gap_ns) {
    $position += length stretch('.');
    $from = $now;
  }
  $to = $now;
  sysseek($log, $position, 0);
  syswrite($log, stretch($mark));
}

my ($store, $next_write) = (undef, $began);
sub write_to_store {
  return if $token eq '' || $to < $next_write;
  $next_write = $to + $write_every_ns;
  if (!$store) {
    socket($store, PF_UNIX, SOCK_STREAM, 0) or return;
    if (!connect($store, pack_sockaddr_un("$folder/store.sock"))) { undef $store; return }
    fcntl($store, F_SETFL, fcntl($store, F_GETFL, 0) | O_NONBLOCK);
  }
  while (my $count = sysread($store, my $answer, 4096)) { last if $count == 0 }
  undef $store unless defined syswrite($store, "$instance $token $run\n");
}

while (!defined $told || $to - $told < $stop_ms * 1_000_000) {
  select(undef, undef, undef, $beat_s);
  beat('.');
  write_to_store();
}
beat('E');
