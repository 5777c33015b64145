import { ReconnectingSocket } from './reconnecting.js'

const { sessionStorage } = window
const $ = (selector) => document.querySelector(selector)

const rooms = {
  public: {
    title: 'Public room',
    about: 'No token is needed here, so everyone is a guest.'
  },
  members: { title: 'Members room', needs: 'ROLE_USER' },
  admin: { title: 'Admin room', needs: 'ROLE_ADMIN' }
}

// The response of the login, `{ name, roles, token }`. Kept for this tab only, so that two tabs can
// be two users.
let user = JSON.parse(sessionStorage.getItem('user'))
let room = sessionStorage.getItem('room') ?? 'public'
let you
let socket
let present
// The texts that were sent and have not come back yet. They return to the input if the connection
// is lost first.
let unconfirmed = []

/* The connection */

function enter (name) {
  room = name
  sessionStorage.setItem('room', name)
  socket?.close()
  recover()
  present = undefined
  $('#room-title').textContent = rooms[name].title
  $('#log').replaceChildren()
  for (const button of document.querySelectorAll('[data-room]')) {
    if (button.dataset.room === name) button.setAttribute('aria-current', 'true')
    else button.removeAttribute('aria-current')
  }
  if (rooms[name].about !== undefined) addNote(rooms[name].about)

  // Unguarded routes look at no token, so none is sent.
  const isGuarded = rooms[name].needs !== undefined
  socket = new ReconnectingSocket(`/chat/${name}`, isGuarded && user !== null ? user.token : null)
  socket.addEventListener('state', ({ detail }) => { showState(detail) })
  socket.addEventListener('message', ({ detail }) => {
    receive[detail.type]?.(detail.data ?? detail)
  })
  socket.connect()
}

const receive = {
  welcome (message) {
    you = message.you
    showMembers()
    addNote(`You are here as ${you}.`)
  },
  members ({ names }) {
    const before = present
    present = names
    showMembers()
    if (before === undefined) return
    for (const name of names) if (!before.includes(name)) addNote(`${name} came in.`)
    for (const name of before) if (!names.includes(name)) addNote(`${name} left.`)
  },
  message ({ from, text, at }) {
    if (from === you && unconfirmed[0] === text) unconfirmed.shift()
    addMessage(from, text, at)
  },
  error ({ code, message }) {
    unconfirmed.shift()
    addNote(
      code === 'FSR_ERR_DATA_INVALID' ? 'A message has 1 to 500 characters of text.' : message,
      'error'
    )
  },
  announcement ({ from, text }) { addNote(text, 'announcement', `Announcement from ${from}`) },
  system ({ text }) { addNote(text) }
}

function showState (state) {
  $('#state').dataset.state = state.name
  $('#state-text').textContent = describe(state)
  $('#retry').hidden = state.name !== 'waiting' && state.name !== 'closed'
  $('#refusal').hidden = state.name !== 'refused'
  $('#composer button').disabled = state.name !== 'open'
  $('#composer').hidden = state.name === 'refused'
  $('#composer-note').textContent = state.name === 'open'
    ? ''
    : 'Not connected. What you write stays here until you can send it.'
  if (state.name !== 'open') recover()
  if (state.name !== 'open' && present !== undefined) {
    present = undefined
    addNote('The connection is lost.')
  }
  if (state.name === 'refused') showRefusal(state)
  showMembers()
}

function describe ({ name, seconds, code, reason }) {
  switch (name) {
    case 'open': return 'Connected'
    case 'waiting': return `Reconnecting in ${seconds} s`
    case 'refused': return 'Refused'
    case 'closed': return `Closed by the server (${code}${reason === '' ? '' : `, ${reason}`})`
    default: return 'Connecting…'
  }
}

function showRefusal ({ status, code, message }) {
  const { title, needs } = rooms[room]
  const place = `the ${title.toLowerCase()}`
  $('#refusal-text').textContent = {
    FSR_ERR_TOKEN_MISSING: `You are not signed in. To enter ${place}, sign in first.`,
    FSR_ERR_TOKEN_EXPIRED: 'Your sign-in has expired. Sign in again.',
    FSR_ERR_TOKEN_INVALID: 'The server no longer accepts your sign-in. Sign in again.',
    FSR_ERR_NOT_GRANTED: `${user?.name} may not enter ${place}: it needs ${needs}, and ${user?.name} has ${user?.roles.join(', ')}.`
  }[code] ?? `The server does not let you enter ${place}.`
  $(
    '#refusal-answer'
  ).textContent = `The server answered ${[status, code].filter(Boolean).join(' ')}: ${message}`
  if (status === 401 && user !== null) signOut()
}

/* What is seen. Text of others is set as text, never as HTML. */

function element (name, text, className = '') {
  const made = document.createElement(name)
  made.className = className
  made.textContent = text
  return made
}

function addNote (text, kind = 'system', title) {
  const item = element('li', '', kind)
  if (title !== undefined) item.append(element('strong', title))
  item.append(element('span', text))
  addToLog(item)
}

function addMessage (from, text, at) {
  const item = element('li', '', from === you ? 'message own' : 'message')
  const when = element(
    'time',
    new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  )
  when.dateTime = new Date(at).toISOString()
  const head = element('p', '', 'head')
  head.append(element('strong', from), when)
  item.append(head, element('p', text, 'text'))
  addToLog(item)
}

// Keeps the last messages, and follows them unless the user has scrolled up.
function addToLog (item) {
  const log = $('#log')
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40
  log.append(item)
  while (log.children.length > 500) log.firstElementChild.remove()
  if (isAtEnd) log.scrollTop = log.scrollHeight
}

function showMembers () {
  $('#members').replaceChildren(...(present ?? []).map((name) => {
    const item = element('li', name)
    if (name === you) item.append(element('small', ' (you)'))
    return item
  }))
}

function showUser () {
  $('#login').hidden = user !== null
  $('#signed-in').hidden = user === null
  $('#announce').hidden = user?.roles.includes('ROLE_ADMIN') !== true
  $('#user').textContent = user?.name ?? ''
  $('#roles').textContent = user?.roles.join(', ') ?? ''
}

/* What one does */

async function post (path, body) {
  const headers = { 'content-type': 'application/json' }
  if (user !== null) headers.authorization = `Bearer ${user.token}`
  try {
    const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
    const answer = await response.json()
    return response.ok ? { answer } : { problem: answer.message }
  } catch {
    return { problem: 'The server cannot be reached.' }
  }
}

function signOut () {
  user = null
  sessionStorage.removeItem('user')
  showUser()
}

// Undelivered texts return to the input, before those written since.
function recover () {
  if (unconfirmed.length === 0) return
  $('#text').value = [...unconfirmed, $('#text').value].join(' ').trim().slice(0, 500)
  unconfirmed = []
}

$('#login').addEventListener('submit', async (event) => {
  event.preventDefault()
  const { answer, problem } = await post('/login', Object.fromEntries(new FormData(event.target)))
  $('#account-note').textContent = problem ?? ''
  if (problem !== undefined) return
  user = answer
  sessionStorage.setItem('user', JSON.stringify(user))
  event.target.reset()
  showUser()
  enter(room === 'public' ? 'members' : room)
})

$('#logout').addEventListener('click', () => {
  signOut()
  enter('public')
})

$('#announce').addEventListener('submit', async (event) => {
  event.preventDefault()
  const { answer, problem } = await post(
    '/announce',
    Object.fromEntries(new FormData(event.target))
  )
  $('#account-note').textContent = problem ??
    `It reached ${answer.reached} ${answer.reached === 1 ? 'connection' : 'connections'}.`
  if (problem === undefined) event.target.reset()
})

$('#composer').addEventListener('submit', (event) => {
  event.preventDefault()
  const text = $('#text').value.trim()
  if (text === '' || !socket.isOpen) return
  socket.send({ type: 'say', data: { text } })
  unconfirmed.push(text)
  $('#text').value = ''
})

$('nav').addEventListener('click', (event) => {
  const button = event.target.closest('[data-room]')
  if (button !== null) enter(button.dataset.room)
})

$('#retry').addEventListener('click', () => { socket.connect() })
window.addEventListener('online', () => { socket.connect() })

showUser()
enter(Object.hasOwn(rooms, room) ? room : 'public')
