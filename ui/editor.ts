import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { json, jsonParseLinter } from '@codemirror/lang-json'
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
  syntaxTree
} from '@codemirror/language'
import { lintKeymap, linter, type Diagnostic } from '@codemirror/lint'
import { EditorState } from '@codemirror/state'
import { EditorView, keymap } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { h } from './element.js'
import { rangeAt } from './json-range.js'
import type { Problem } from './schema.js'

/** The options of an editor. */
export interface EditorOptions {
  readonly label: string
  readonly text: string
  /** Returns the problems of a text that is valid JSON. */
  check (text: string): readonly Problem[]
  /** Called on Ctrl+Enter or ⌘ Enter. */
  onSubmit (): void
}

/** An editor for JSON. */
export interface Editor {
  readonly element: HTMLElement
  text: string
  focus (): void
}

// The colours of the page.
const theme = EditorView.theme({
  '&': {
    color: 'var(--text)',
    backgroundColor: 'var(--field)',
    border: '1px solid var(--line-strong)',
    borderRadius: '6px',
    fontSize: '13px'
  },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '1px' },
  '.cm-content': { fontFamily: 'var(--mono)', padding: '8px 0', caretColor: 'var(--text)' },
  '.cm-line': { padding: '0 10px' },
  '.cm-scroller': { lineHeight: '1.5', maxHeight: '20rem', overflow: 'auto' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-selectionBackground, &.cm-focused .cm-selectionBackground': {
    backgroundColor: 'var(--selection) !important'
  },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--selection)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--surface)',
    color: 'var(--text)',
    border: '1px solid var(--line-strong)',
    borderRadius: '6px'
  },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)' },
  '.cm-lintRange-error': {
    backgroundImage: 'none',
    textDecoration: 'underline wavy var(--bad)',
    textUnderlineOffset: '3px'
  },
  '.cm-lintPoint-error:after': { borderBottomColor: 'var(--bad)' }
})

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--json-key)' },
  { tag: tags.string, color: 'var(--json-string)' },
  { tag: tags.number, color: 'var(--json-number)' },
  { tag: [tags.bool, tags.null], color: 'var(--json-word)' }
])

// Replaces selected text itself: the browser would keep its colour as an inline style, which the
// page's Content-Security-Policy refuses, with a message on the console.
const replacing = EditorView.domEventHandlers({
  beforeinput (event, view) {
    if (
      event.inputType !== 'insertText' || event.data === null || view.state.selection.main.empty ||
      view.composing
    ) return false
    event.preventDefault()
    view.dispatch(
      view.state.update(view.state.replaceSelection(event.data), {
        userEvent: 'input.type',
        scrollIntoView: true
      })
    )
    return true
  }
})

/** Creates an editor for JSON, which underlines the problems that `check` returns. */
export function createEditor ({ label, text, check, onSubmit }: EditorOptions): Editor {
  const element = h('div', { class: 'editor' })
  // In a shadow root the editor uses a constructed style sheet, which the page's
  // Content-Security-Policy allows.
  const root = element.attachShadow({ mode: 'open' })
  const parse = jsonParseLinter()
  const underline = linter((view): Diagnostic[] => {
    const text = view.state.doc.toString()
    const wrong = parse(view)
    if (wrong.length > 0) return wrong
    return check(text).map(({ path, message }) => {
      const { from, to } = rangeAt(syntaxTree(view.state), view.state.doc, path)
      return { from, to, severity: 'error', message }
    })
  }, { delay: 250 })
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        // Tab leaves the editor, as it leaves any other field.
        keymap.of([
          {
            key: 'Mod-Enter',
            run: () => {
              onSubmit()
              return true
            }
          },
          ...defaultKeymap,
          ...historyKeymap,
          ...lintKeymap
        ]),
        history(),
        json(),
        indentOnInput(),
        bracketMatching(),
        underline,
        theme,
        replacing,
        syntaxHighlighting(colours),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({
          'aria-label': label,
          spellcheck: 'false',
          autocapitalize: 'off'
        })
      ]
    })
  })
  return {
    element,
    get text () {
      return view.state.doc.toString()
    },
    set text (text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } })
    },
    focus () {
      view.focus()
    }
  }
}
