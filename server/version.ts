/** The version of the cable. It equals the one in package.json, unless the cable is a part of another project. */
export const VERSION = '0.1.0'
