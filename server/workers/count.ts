import { availableParallelism } from 'node:os'

/** Returns how many workers --workers asks for. */
export const countOf = (workers: number | 'auto'): number => (workers === 'auto' ? availableParallelism() : workers)
