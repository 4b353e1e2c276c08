/** A copy of a text, for a part of a longer one that we keep: V8 makes such a part a view, which keeps the whole in memory. */
export const copyOf = (part: string): string => Buffer.from(part).toString()
