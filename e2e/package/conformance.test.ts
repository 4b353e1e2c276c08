/** Runs the conformance suite against the installed package, on every Node that it must run on. */
import { startHotcable } from '../conformance/servers.ts'
import { cableTests } from '../conformance/suite.ts'
import { installPackage } from './installed.ts'
import { runtimes } from './nodes.ts'

const { bin } = installPackage()
/** The suite expects the defaults of `npm run cable`. */
const LIKE_ANYCABLE = ['--turbo_streams=false', '--sse=false']

for (const { version, program } of runtimes())
  cableTests(
    'hotcable',
    flags => startHotcable(flags, { program: [program, bin, 'cable', ...LIKE_ANYCABLE] }),
    `the package on Node ${version}`,
  )
