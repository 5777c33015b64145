import { errors } from '../../errors.js'
import type { AsyncapiDocument } from './document.js'

/**
 * Returns the document as YAML. The package `yaml` is imported only here, when YAML is first
 * requested.
 *
 * @throws `FSR_ERR_YAML_MISSING` (501) where the package is not installed.
 */
export async function toYaml (
  document: AsyncapiDocument,
  load: () => Promise<typeof import('yaml')> = async () => await import('yaml')
): Promise<string> {
  const { stringify } = await load().catch((cause: unknown): never => {
    throw new errors.YamlMissing({ cause })
  })
  // A document has no shared parts, and so needs no aliases in YAML.
  return stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 })
}
