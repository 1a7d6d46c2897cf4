/** A script for each shell. They know no command: at each Tab they ask `muster __complete`, so they need not be made anew. */
export const completionScripts = {
  bash: `# muster completion for bash: source it, or put it in /etc/bash_completion.d/muster
_muster() {
  local line=\${COMP_LINE:0:COMP_POINT} words current taken='' answer word reply=() files=
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  current=\${words[\${#words[@]}-1]}
  # readline begins a new word after these: what stands before is not to be repeated.
  for word in '=' ':' '@'; do
    if [[ $COMP_WORDBREAKS == *"$word"* && $current == *"$word"* ]]; then
      local before=\${current%"$word"*}$word
      (( \${#before} > \${#taken} )) && taken=$before
    fi
  done
  while IFS= read -r answer; do
    word=\${answer%%$'\\t'*}
    if [[ $word == ':files' ]]; then files=1; else reply+=("\${word#"$taken"}"); fi
  done < <("\${COMP_WORDS[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  COMPREPLY=("\${reply[@]}")
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r answer; do COMPREPLY+=("$answer"); done < <(compgen -f -- "$current")
  fi
}
complete -F _muster muster
`,
  zsh: `#compdef muster
# muster completion for zsh: put it as _muster into a folder of $fpath, or source it after compinit
_muster() {
  local -a answers described
  local answer word about files=
  answers=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for answer in $answers; do
    word=\${answer%%$'\\t'*}
    about=\${answer#*$'\\t'}
    if [[ $word == ':files' ]]; then
      files=1
    elif [[ -n $word ]]; then
      described+=("\${word//:/\\\\:}:$about")
    fi
  done
  (( \${#described} )) && _describe -V 'muster' described
  [[ -n $files ]] && _files
  return 0
}
if [[ \${funcstack[1]} == _muster ]]; then _muster "$@"; else compdef _muster muster; fi
`,
  fish: `# muster completion for fish: put it in ~/.config/fish/completions/muster.fish
function __muster_complete
    set -l words (commandline -opc) (commandline -ct)
    for answer in (command $words[1] __complete $words[2..-1] 2>/dev/null)
        if test "$answer" = ':files'
            __fish_complete_path (commandline -ct)
        else
            echo $answer
        end
    end
end
complete -c muster -f -a '(__muster_complete)'
`,
} as const;

/** Shells with a script. */
export type Shell = keyof typeof completionScripts;
