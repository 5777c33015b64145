import type { RouteView } from './document.js'

/**
 * Returns the address of a socket with its parameters and query filled in. An empty parameter stays
 * visible as `{name}`, unless it is optional.
 */
export function fillAddress (
  route: RouteView,
  parameters: ReadonlyMap<string, string>,
  query: ReadonlyMap<string, string>,
  more = ''
): string {
  const path = route.address.replace(/(\/?)\{([^}]+)\}/g, (whole, slash: string, name: string) => {
    const value = parameters.get(name) ?? ''
    if (value !== '') {
      const parts = name === 'wildcard' ? value.split('/') : [value]
      return `${slash}${parts.map(encodeURIComponent).join('/')}`
    }
    return route.parameters.some((field) => field.name === name && !field.isRequired) ? '' : whole
  }) || '/'
  const pairs = [...query].filter(([, value]) => value !== '').map(([name, value]) =>
    `${encodeURIComponent(name)}=${encodeURIComponent(value)}`
  )
  const search = [...pairs, ...(more === '' ? [] : [more.replace(/^[?&]/, '')])].join('&')
  return search === '' ? path : `${path}?${search}`
}
