import type { RouteView } from './document.js'

/** The address of a socket with its parameters and query filled in. An empty parameter stays visible as `{name}`, unless it may be left out. */
export function fillAddress (route: RouteView, parameters: ReadonlyMap<string, string>, query: ReadonlyMap<string, string>, more = ''): string {
  const path = route.address.replace(/(\/?)\{([^}]+)\}/g, (whole, slash: string, name: string) => {
    const value = parameters.get(name) ?? ''
    if (value !== '') return `${slash}${name === 'wildcard' ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value)}`
    return route.parameters.some((field) => field.name === name && !field.isRequired) ? '' : whole
  }) || '/'
  const pairs = [...query].filter(([, value]) => value !== '').map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
  const search = [...pairs, ...(more === '' ? [] : [more.replace(/^[?&]/, '')])].join('&')
  return search === '' ? path : `${path}?${search}`
}

/** What a token says of itself, if it is a JWT: nobody has verified it here. */
export function claimsOf (token: string): undefined | Record<string, unknown> {
  try {
    const part = token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/')
    const text = new TextDecoder().decode(Uint8Array.from(atob(part), (character) => character.charCodeAt(0)))
    const claims: unknown = JSON.parse(text)
    return typeof claims === 'object' && claims !== null ? claims as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}
