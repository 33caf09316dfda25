package sqlserver

import (
	"strings"
	"unicode"
)

// kindOf a token.
type tokenKind int

const (
	word     tokenKind = iota // a keyword or a bare name
	quoted                    // [name] or "name", unquoted in text
	literal                   // N'…' or '…', unquoted in text
	number                    //
	hexed                     // 0x…
	variable                  // @name, without the @
	global                    // @@name, without the @@
	mark                      // an operator or a bracket
)

// token is a piece of T-SQL. Its place is for error messages.
type token struct {
	kind tokenKind
	text string
	line int
	// start and end are its bytes in the source.
	start, end int
}

// is says whether a token is a keyword.
func (t token) is(words ...string) bool {
	if t.kind != word && t.kind != mark {
		return false
	}
	for _, w := range words {
		if strings.EqualFold(t.text, w) {
			return true
		}
	}
	return false
}

// name says whether a token can be an identifier.
func (t token) name() bool { return t.kind == word || t.kind == quoted }

// lex reads T-SQL.
func lex(s string) ([]token, *Error) {
	var all []token
	line := 1
	for i := 0; i < len(s); {
		c := s[i]
		begin := i
		add := func(k tokenKind, text string, end int) {
			all = append(all, token{kind: k, text: text, line: line, start: begin, end: end})
			line += strings.Count(s[begin:end], "\n")
			i = end
		}
		switch {
		case c == '\n':
			line++
			i++
		case c <= ' ' || strings.HasPrefix(s[i:], "\u00a0"):
			i += max(1, len("\u00a0")*int(whether(c > ' ')))
		case strings.HasPrefix(s[i:], "--"):
			if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
				i += n
			} else {
				i = len(s)
			}
		case strings.HasPrefix(s[i:], "/*"):
			end, ok := comment(s, i)
			if !ok {
				return nil, classed(113, 1, 15, "Missing end comment mark '*/'.")
			}
			line += strings.Count(s[i:end], "\n")
			i = end
		case c == '\'' || (c == 'N' || c == 'n') && strings.HasPrefix(s[i+1:], "'"):
			from := i
			if c != '\'' {
				from++
			}
			text, end, ok := delimited(s, from, '\'')
			if !ok {
				return nil, classed(105, 1, 15, "Unclosed quotation mark after the character string '%s'.", cut(text, 20))
			}
			add(literal, text, end)
		case c == '[' || c == '"':
			until := c
			if c == '[' {
				until = ']'
			}
			text, end, ok := delimited(s, i, until)
			if !ok {
				return nil, classed(105, 1, 15, "Unclosed quotation mark after the character string '%s'.", cut(text, 20))
			}
			add(quoted, text, end)
		case strings.HasPrefix(s[i:], "@@"):
			end := wordEnd(s, i+2)
			add(global, s[i+2:end], end)
		case c == '@':
			end := wordEnd(s, i+1)
			add(variable, strings.ToLower(s[i+1:end]), end)
		case strings.HasPrefix(s[i:], "0x") || strings.HasPrefix(s[i:], "0X"):
			end := i + 2
			for end < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[end]) >= 0 {
				end++
			}
			add(hexed, s[i+2:end], end)
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			end := i
			for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.') {
				end++
			}
			add(number, s[i:end], end)
		case wordEnd(s, i) > i:
			end := wordEnd(s, i)
			add(word, s[i:end], end)
		default:
			end := i + 1
			for _, two := range []string{"<>", "!=", "<=", ">=", "!<", "!>", "+=", "-=", "||", "==", "::"} {
				if strings.HasPrefix(s[i:], two) {
					end = i + 2
				}
			}
			add(mark, s[i:end], end)
		}
	}
	return all, nil
}

// comment finds the end of one: they nest.
func comment(s string, i int) (end int, ok bool) {
	depth := 0
	for i < len(s) {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i += 2
			if depth == 0 {
				return i, true
			}
		default:
			i++
		}
	}
	return i, false
}

// delimited reads what stands between delimiters, the end one doubled where it is meant.
func delimited(s string, i int, until byte) (text string, end int, ok bool) {
	var b strings.Builder
	for j := i + 1; j < len(s); j++ {
		if s[j] != until {
			b.WriteByte(s[j])
			continue
		}
		if j+1 < len(s) && s[j+1] == until {
			b.WriteByte(until)
			j++
			continue
		}
		return b.String(), j + 1, true
	}
	return b.String(), len(s), false
}

// wordEnd is where a name that begins at i ends.
func wordEnd(s string, i int) int {
	for j, r := range s[i:] {
		if !(unicode.IsLetter(r) || r == '_' || r == '#' || j > 0 && (unicode.IsDigit(r) || r == '$' || r == '@')) {
			return i + j
		}
	}
	return len(s)
}
