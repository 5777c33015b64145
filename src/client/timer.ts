/** The longest time that a timer can have, in milliseconds: it would fire at once for more. */
export const LONGEST = 2 ** 31 - 1
