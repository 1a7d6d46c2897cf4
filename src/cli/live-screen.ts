import type { Context } from './context.ts';

/** Where something is shown that changes. */
export interface Screen {
  /** Redrawn in place; false: shown again below when it differs. */
  readonly isTerminal: boolean;
  show(text: string): void;
  /** Gives the terminal back as it was found, with what was shown last. */
  close(): void;
}

// ECMA-48 and xterm: an alternate screen has no history to spoil; without wrapping, a long line takes one row.
const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const eraseLine = '\u001b[K';
const eraseBelow = '\u001b[J';

/** A terminal's own screen, or a stream to which each new state is added. */
export function openScreen(context: Pick<Context, 'stdout' | 'json'>): Screen {
  if (context.json) return new Stream(context, oneLine);
  return context.stdout.isTTY ? new Terminal(context) : new Stream(context, (text) => text);
}

class Terminal implements Screen {
  readonly isTerminal = true;
  readonly #context: Pick<Context, 'stdout'>;
  #text = '';
  #isOpen = false;

  constructor(context: Pick<Context, 'stdout'>) {
    this.#context = context;
  }

  show(text: string): void {
    const { stdout } = this.#context;
    this.#text = text;
    const lines = fitRows(text.trimEnd().split('\n'), stdout.rows ?? 24);
    stdout.write(
      `${this.#isOpen ? '' : enter}${home}${lines.map((line) => line + eraseLine).join('\r\n')}${eraseBelow}`,
    );
    this.#isOpen = true;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#context.stdout.write(leave + this.#text);
  }
}

class Stream implements Screen {
  readonly isTerminal = false;
  readonly #context: Pick<Context, 'stdout'>;
  readonly #form: (text: string) => string;
  #shown = '';

  constructor(context: Pick<Context, 'stdout'>, form: (text: string) => string) {
    this.#context = context;
    this.#form = form;
  }

  show(text: string): void {
    const formed = this.#form(text);
    if (formed === this.#shown) return;
    const isMore = this.#shown !== '' && !formed.startsWith('{');
    this.#context.stdout.write(isMore ? `\n${formed}` : formed);
    this.#shown = formed;
  }

  close(): void {}
}

function fitRows(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  return [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`];
}

/** The JSON that a command printed, on one line. */
function oneLine(text: string): string {
  return text === '' ? '' : `${JSON.stringify(JSON.parse(text))}\n`;
}
