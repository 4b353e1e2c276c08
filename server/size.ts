/** Bytes that V8 keeps of a text: one a character while all of them are Latin-1, else two. */
export const sizeOf = (text: string): number => (/[\u0100-\uffff]/.test(text) ? 2 : 1) * text.length
