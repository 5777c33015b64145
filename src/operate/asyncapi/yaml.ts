import { errors } from '../../errors.js'
import type { AsyncapiDocument } from './document.js'

/**
 * Returns the document as YAML. The package `yaml` is imported here alone, when YAML is first asked for.
 *
 * @throws `FSR_ERR_YAML_MISSING` (501) where the package is not installed.
 */
export async function toYaml (
  document: AsyncapiDocument, load: () => Promise<typeof import('yaml')> = async () => await import('yaml')
): Promise<string> {
  const { stringify } = await load().catch((cause: unknown): never => { throw new errors.YamlMissing({ cause }) })
  // A document has no parts that occur twice, and so no aliases in YAML.
  return stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 })
}
