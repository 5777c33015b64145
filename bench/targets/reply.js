/** What every target answers to a message of JSON: an object, of which two members come from the message. */
export const reply = ({ id, user }) => ({ type: 'stored', id, by: user.name })
