import { createRequire } from 'node:module'
import { errors } from '../errors.js'

const load = createRequire(import.meta.url)

/** The packages whose private parts this folder uses. */
export type Package = 'fastify' | '@fastify/websocket' | '@fastify/jwt'

/**
 * Returns the version of an installed package, for a text. It is the one that this plugin resolves;
 * the app may have another.
 */
export function versionOf (name: string): string {
  try {
    return (load(`${name}/package.json`) as { readonly version: string }).version
  } catch {
    return '(unknown version)'
  }
}

/**
 * Creates the error for a package that lacks a private part, if the plugin cannot do without it.
 *
 * @param part says what is missing.
 */
export function unsupported (
  name: Package,
  part: string,
  version: string = versionOf(name)
): Error {
  return new errors.PackageUnsupported(name, version, part)
}
