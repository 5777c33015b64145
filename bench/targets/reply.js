/**
 * What every target answers to a message of JSON: an object, of which two members come from the
 * message.
 */
export const reply = ({ id, user }) => ({ type: 'stored', id, by: user.name })

/**
 * The same for a message of a contract, where the contract has to be looked after by hand: nothing
 * is validated.
 */
export const contractReply = ({ type, id, data }) => {
  if (type !== 'store') throw new Error(`There is no message ${type}`)
  return { type: 'reply', id, data: { by: data.user.name } }
}
