import type { ClusterEvent, EventDraft } from '../domain/event.ts';
import type { Revision } from '../etcd/port.ts';

/** So many events of history wait at most for one that says when it was. */
const WAITING_LIMIT = 1_000;

/** Where an event is in the store's history. */
interface Place {
  readonly id: string;
  readonly revision: Revision;
}

/**
 * Dates events. The store's revisions carry no times: a change that says itself when it was is of then; one that doesn't is of now
 * when it's seen as it happens, and in history about as old as the change before it, or the first one after it.
 */
export class EventDates {
  #lastAt: string | undefined;
  #waiting: { readonly place: Place; readonly draft: EventDraft }[] = [];

  /** @param nowIso undefined: it's history */
  date(drafts: readonly EventDraft[], revision: Revision, nowIso: string | undefined): ClusterEvent[] {
    const ready = nowIso === undefined ? [] : this.flush(nowIso);
    for (const [index, draft] of drafts.entries()) {
      const id = index === drafts.length - 1 ? String(revision) : `${revision}.${index}`;
      const own = isTime(draft.at) ? draft.at : undefined;
      if (own !== undefined) {
        if (this.#lastAt === undefined || own > this.#lastAt) this.#lastAt = own;
        ready.push(...this.#end(own), finish(draft, { id, revision }, own, false));
      } else if (nowIso !== undefined) ready.push(finish(draft, { id, revision }, nowIso, false));
      else if (this.#lastAt !== undefined) ready.push(finish(draft, { id, revision }, this.#lastAt, true));
      else if (this.#waiting.length < WAITING_LIMIT) this.#waiting.push({ place: { id, revision }, draft });
    }
    return ready;
  }

  /** History is over: what still waits is as good as of now. */
  flush(nowIso: string): ClusterEvent[] {
    return this.#end(nowIso);
  }

  #end(at: string): ClusterEvent[] {
    const ended = this.#waiting.map(({ place, draft }) => finish(draft, place, at, true));
    this.#waiting = [];
    return ended;
  }
}

/** An event of its own, outside of history. */
export function finishEvent(draft: EventDraft, revision: Revision, nowIso: string): ClusterEvent {
  return finish(draft, { id: String(revision), revision }, nowIso, false);
}

function finish({ at: _own, ...draft }: EventDraft, place: Place, at: string, isAbout: boolean): ClusterEvent {
  return { ...place, at, ...(isAbout ? { atIsAbout: true } : {}), ...draft, text: draft.text.slice(0, 1_000) };
}

/** As this project writes times: what is stored may be anybody's text. */
function isTime(at: string | undefined): at is string {
  return at !== undefined && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(at);
}
