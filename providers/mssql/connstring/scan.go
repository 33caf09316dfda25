package connstring

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// pair is one keyword and its value, where they stand in the text.
type pair struct {
	name     string // trimmed, in lower case, with "==" read as "="
	at       int    // where the keyword starts
	from, to int    // the value's token, quotes included; empty where there is no value
	value    string
	absent   bool // nothing after the "=", which unsets the keyword; a quoted empty value is not absent
}

// scan splits a text into pairs, as System.Data.Common's DbConnectionOptions does. The text ends at end: only NUL and
// white space may follow.
func scan(text string) (pairs []pair, end int, err error) {
	s := &scanner{text: text}
	for {
		s.skip(func(r rune) bool { return r == ';' || unicode.IsSpace(r) })
		switch r := s.peek(); {
		case r == eof:
			return pairs, len(text), nil
		case r == 0:
			end := s.at
			s.skip(func(r rune) bool { return r == 0 || unicode.IsSpace(r) })
			if s.peek() != eof {
				return nil, 0, s.refuse(end, "", "text follows a NUL character")
			}
			return pairs, end, nil
		}
		p, err := s.pair()
		if err != nil {
			return nil, 0, err
		}
		pairs = append(pairs, p)
	}
}

const eof rune = -1

type scanner struct {
	text string
	at   int
}

func (s *scanner) peek() rune {
	if s.at == len(s.text) {
		return eof
	}
	r, _ := utf8.DecodeRuneInString(s.text[s.at:])
	return r
}

func (s *scanner) next() rune {
	r, size := utf8.DecodeRuneInString(s.text[s.at:])
	s.at += size
	return r
}

func (s *scanner) skip(blank func(rune) bool) {
	s.at = len(s.text) - len(strings.TrimLeftFunc(s.text[s.at:], blank))
}

// refuse is an error at a place in the text. Of the text itself it holds nothing.
func (s *scanner) refuse(at int, keyword, reason string) error {
	return &Error{Position: utf8.RuneCountInString(s.text[:at]) + 1, Keyword: keyword, Reason: reason}
}

func (s *scanner) pair() (pair, error) {
	p := pair{at: s.at}
	if err := s.name(&p); err != nil {
		return p, err
	}
	p.from, p.to = s.at, s.at
	s.skip(unicode.IsSpace)
	switch r := s.peek(); {
	case r == eof || r == ';' || r == 0:
		p.absent = true
		return p, nil
	case r == '"' || r == '\'':
		return p, s.quoted(&p)
	case unicode.IsControl(r):
		return p, s.refuse(s.at, known(p.name), "a control character where the value should start")
	}
	return p, s.bare(&p)
}

// name reads up to an equals sign that does not stand for itself, and over it. White space in a keyword may be of any
// kind; which of them a keyword bears is not asked here.
func (s *scanner) name(p *pair) error {
	var name strings.Builder
	for {
		switch r := s.peek(); {
		case r == eof:
			return s.refuse(p.at, "", "a keyword without an equals sign")
		case r == '=':
			s.at++
			if s.peek() != '=' {
				if name.Len() == 0 {
					return s.refuse(p.at, "", "a value without a keyword")
				}
				p.name = lower(strings.TrimRightFunc(name.String(), unicode.IsSpace))
				return nil
			}
		case unicode.IsControl(r) && !unicode.IsSpace(r):
			return s.refuse(s.at, "", "a control character in a keyword")
		}
		name.WriteRune(s.next())
	}
}

// quoted reads a value between quotes, in which the quote itself stands twice.
func (s *scanner) quoted(p *pair) error {
	var value strings.Builder
	p.from = s.at
	quote := s.next()
	for {
		switch r := s.peek(); r {
		case eof:
			return s.refuse(p.from, known(p.name), "a quoted value that does not end")
		case 0:
			return s.refuse(s.at, known(p.name), "a NUL character in a quoted value")
		case quote:
			if s.at++; s.peek() != quote {
				p.to, p.value = s.at, value.String()
				return s.close(p)
			}
		}
		value.WriteRune(s.next())
	}
}

// close reads what may stand between a quoted value and the next pair.
func (s *scanner) close(p *pair) error {
	s.skip(unicode.IsSpace)
	if r := s.peek(); r != eof && r != ';' && r != 0 {
		return s.refuse(s.at, known(p.name), "text after a quoted value")
	}
	return nil
}

// bare reads a value without quotes: up to a semicolon or a control character, white space around it cut off.
func (s *scanner) bare(p *pair) error {
	p.from = s.at
	s.skip(func(r rune) bool { return r != ';' && (unicode.IsSpace(r) || !unicode.IsControl(r)) })
	p.value = strings.TrimRightFunc(s.text[p.from:s.at], unicode.IsSpace)
	p.to = p.from + len(p.value)
	if strings.HasSuffix(p.value, `"`) || strings.HasSuffix(p.value, `'`) {
		return s.refuse(p.to-1, known(p.name), "a value that ends in a quote but does not start with one")
	}
	return nil
}

// lower is .NET's ToLowerInvariant, which leaves the dotted capital I alone.
func lower(name string) string {
	return strings.Map(func(r rune) rune {
		if r == 'İ' {
			return r
		}
		return unicode.ToLower(r)
	}, name)
}
