import { AgentError } from '../domain/errors.ts';

/** Splits a command as a shell would: blanks, quotes and backslashes; nothing is expanded. */
export function splitShellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    const next = text.charAt(at + 1);
    if (quote === "'" && character !== "'") word = `${word ?? ''}${character}`;
    else if (character === '\\' && (quote === '' || '"\\$`'.includes(next))) {
      if (next === '') throw refuseCommand(text, 'a character after the last backslash');
      word = `${word ?? ''}${next}`;
      at += 1;
    } else if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) {
      quote = character;
      word ??= '';
    } else if (quote === '' && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = `${word ?? ''}${character}`;
  }
  if (quote !== '') throw refuseCommand(text, `a closing ${quote}`);
  if (word !== undefined) words.push(word);
  return words;
}

function refuseCommand(text: string, expected: string): AgentError {
  return new AgentError(
    'INVALID_INPUT',
    `Cannot split command ${JSON.stringify(text.slice(0, 100))}: expected ${expected}`,
  );
}
