#!/bin/bash
# The dead man's switch: ends the `stop` instances of this machine when nobody re-arms it in time. It's a process of its own,
# run by systemd, so that it works with an agent or a dockerd that is dead, hung or frozen. While nothing happens it looks at the time
# now and then; it forks nothing, logs nothing, and asks nobody before it kills.
#
#   switch.sh hold    waits, armed by lines on the FIFO: `<term> <kill> <written>` in milliseconds of uptime; `0 0` disarms; `fire` is final
#   switch.sh fence   ends all and holds it down: by killing whatever comes, which version 2 of control groups freezes before
#
# Times are absolute, so that a line that comes late prolongs nothing. Nor does one that was written when it should have fired already: on
# a machine that was frozen the agent may be faster than the holder, and have a new lease.

set -u
shopt -s globstar nullglob

slice=muster.slice/muster-stop.slice
fifo=/run/muster/switch
# Between SIGTERM and SIGKILL, in milliseconds: as it was armed last.
grace_file=/run/muster/switch-grace
default_grace=1000
# How long what was left behind may take to die before the switch counts as broken, in milliseconds.
clear_limit=3000
# Between two looks at what has come since, in seconds.
latch_interval=0.25
# Between two looks at the time, in milliseconds. One long wait could last longer than it should: bash 5.2 waits in select(), of which the
# kernel begins what is left anew once a process that was stopped, or its whole machine, goes on.
look_interval=250

# A pipe that nobody writes to: reading from it is a sleep without a process.
exec 4<> <(:)

# now: milliseconds of uptime. Steps of the clock don't touch it.
now() {
  local up
  read -r up _ </proc/uptime
  now=$((10#${up/./} * 10))
}

# snooze <milliseconds>
snooze() {
  local seconds
  (($1 > 0)) || return 0
  printf -v seconds '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
  read -r -t "$seconds" -u 4 _
  return 0
}

# snooze_until <uptime in milliseconds>
snooze_until() {
  local left
  for (( ; ; )); do
    now
    left=$(($1 - now))
    ((left > 0)) || return 0
    snooze $((left < look_interval ? left : look_interval))
  done
}

# dirs: where the slice lies: in one hierarchy of version 2, or in each of version 1.
find_dirs() {
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    dirs=(/sys/fs/cgroup/"$slice")
  else
    dirs=(/sys/fs/cgroup/*/"$slice"/)
  fi
}

# signal_below <signal> <directory>: each process in it and in whatever is below it.
signal_below() {
  local file pid
  for file in "$2"/**/cgroup.procs; do
    while read -r pid; do
      [[ $pid =~ ^[1-9][0-9]*$ ]] && kill -"$1" "$pid"
    done <"$file"
  done 2>/dev/null
}

# Whether a process is left.
is_populated() {
  local dir file pid
  for dir in "${dirs[@]}"; do
    for file in "$dir"/**/cgroup.procs; do
      read -r pid <"$file" && return 0
    done
  done 2>/dev/null
  return 1
}

freeze() {
  local dir
  for dir in "${dirs[@]}"; do
    [[ -e $dir/cgroup.freeze ]] && echo "$1" >"$dir/cgroup.freeze"
  done 2>/dev/null
}

# Frozen first, so that nothing is forked meanwhile: SIGKILL reaches the frozen of version 2.
end_all() {
  local dir
  find_dirs
  freeze 1
  for dir in "${dirs[@]}"; do
    [[ -e $dir/cgroup.kill ]] && echo 1 >"$dir/cgroup.kill"
    signal_below KILL "$dir"
  done 2>/dev/null
}

# systemd asks its units to end, each as its file says; containers are no units that it would ask.
ask_containers() {
  local dir child
  find_dirs
  for dir in "${dirs[@]}"; do
    for child in "$dir"/*/; do
      case $child in
        *.service/ | *.socket/) ;;
        *) signal_below TERM "${child%/}" ;;
      esac
    done
  done
}

# Until it's heard, for some seconds: systemd may be executing itself anew. Where it's never heard, the end of the holder tells.
tell_systemd() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    systemctl --quiet --no-block --job-mode=replace-irreversibly start muster-fence.target 2>/dev/null && return
    snooze 50
  done
}

# Takes the next line, once there is one; not a well-formed one: ignored. Lines are written whole, and this is never given a limit: it
# could end in mid-line.
take_line() {
  local term kill written
  read -r -u 3 term kill written _
  if [[ $term == fire ]]; then
    # Whoever re-arms it from here on comes too late.
    fired=1
    now
    term_at=$now
    kill_at=$((now + (noted_grace < 0 ? default_grace : noted_grace)))
    return 0
  fi
  [[ $term =~ ^[0-9]{1,15}$ && $kill =~ ^[0-9]{1,15}$ ]] || return 0
  if ((term_at > 0)) && [[ $written =~ ^[0-9]{1,15}$ ]] && ((10#$written >= term_at)); then
    fired=1
    return 0
  fi
  term_at=$((10#$term))
  kill_at=$((10#$kill))
  local grace=$((kill_at - term_at))
  if ((term_at > 0 && grace >= 0 && grace != noted_grace)); then
    noted_grace=$grace
    echo "$grace" >"$grace_file"
  fi
  return 0
}

# Returns once it's due. A line that is there counts before the time of the one before it.
wait_until_due() {
  local left
  while ((! fired)); do
    if ((term_at == 0)) || read -r -t 0 -u 3; then
      take_line
      continue
    fi
    now
    left=$((term_at - now))
    ((left > 0)) || return 0
    snooze $((left < look_interval ? left : look_interval))
  done
}

# What an earlier fence has left is ended before anything may start.
clear_slice() {
  local until
  now
  until=$((now + clear_limit))
  end_all
  while is_populated; do
    now
    ((now < until)) || return 1
    snooze 10
    end_all
  done
  freeze 0
  return 0
}

hold() {
  term_at=0
  kill_at=0
  noted_grace=-1
  fired=0
  mkdir -p "${fifo%/*}"
  [[ -p $fifo ]] || { rm -rf "$fifo" && mkfifo -m 600 "$fifo"; } || exit 1
  # For reading and writing: it never ends, whoever closes it.
  exec 3<>"$fifo"
  while ((term_at == 0)); do take_line; done
  clear_slice || exit 1
  systemd-notify --ready || exit 1
  wait_until_due
  # From here on nobody can re-arm it, and who tries learns so.
  exec 3>&-
  trap '' TERM
  tell_systemd &
  ask_containers
  snooze_until "$kill_at"
  end_all
  # With version 1 of control groups systemd may not be told of the end of a unit's last process where that isn't the main one.
  wait
}

fence() {
  local grace=$default_grace text
  [[ -e $grace_file ]] && read -r text <"$grace_file" && [[ $text =~ ^[0-9]{1,6}$ ]] && grace=$((10#$text))
  if [[ -p $fifo ]]; then
    # A holder that isn't the one who asked for this fires too: else the lease could be had again, and nothing thaw the slice.
    exec 3<>"$fifo"
    echo fire >&3
    exec 3>&-
  fi
  now
  local until=$((now + grace))
  ask_containers
  snooze_until "$until"
  end_all
  # What is frozen and lives holds up whoever waits for it: dockerd answers nothing of a container that it can't start.
  while :; do
    read -r -t "$latch_interval" -u 4 _
    is_populated && end_all
  done
}

"$1"
