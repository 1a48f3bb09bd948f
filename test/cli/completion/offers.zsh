# zsh -f offers.zsh SCRIPT LINE: what zsh offers at the end of LINE, a word in each line.
zmodload zsh/zpty
setup=(
  "PS1="
  "autoload -U compinit; compinit -u -D; source ${(q)1}"
  "compadd() { local -a all; builtin compadd -O all \"\$@\"; print -l -- '' offer:\$^all; builtin compadd \"\$@\" }"
  "offers() { _main_complete; print the-end: }; zle -C offers complete-word offers; bindkey '^I' offers"
  "print the-begin''ning"
)
zpty shell zsh -f -i
zpty -w shell ${(j:; :)setup}
shown=
until [[ $shown == *the-beginning* ]]; do zpty -r shell line '*' && shown+=$line; done
zpty -w -n shell "$2"$'\t'
shown=
until [[ $shown == *the-end:* ]]; do zpty -r shell line '*' && shown+=$line; done
print -l -- ${${(M)${(f)${shown//$'\r'/}}:#offer:*}#offer:}
zpty -d shell
