/** UTF-16 units of a fact. */
const LONGEST = 500

export const shorten = (text: string, most = LONGEST): string => (text.length > most ? `${text.slice(0, most)}…` : text)
