/** Bytes that V8 takes for a text: one per character if all are Latin-1, else two. */
export const sizeOf = (text: string): number => (/[\u0100-\uffff]/.test(text) ? 2 : 1) * text.length
