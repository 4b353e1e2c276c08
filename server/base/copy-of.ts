/** Copies a part of a longer text, so that we can keep the part alone: V8's slice would keep the whole text in memory. */
export const copyOf = (part: string): string => Buffer.from(part).toString()
