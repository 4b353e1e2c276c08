import { availableParallelism } from 'node:os'
import type { Config } from '../config/config.ts'

/** Returns how many workers --workers asks for. */
export const countOf = (workers: number | 'auto'): number => (workers === 'auto' ? availableParallelism() : workers)

/** Whether each worker is a node that shares a broker elsewhere, so that the primary has no stores and no ways in. */
export const isNode = ({ settings }: Pick<Config, 'settings'>): boolean => settings.broker === 'redis'
