// Package chain writes entries as lines of JSON, each with the hash of those before it, and reads them. So a line that was
// lost, added, edited or moved is noticed, wherever the lines are kept.
package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"meshrotate/state"
	"meshrotate/state/hostset"
)

// longSet is from how many bytes on a set of hosts is written once, with a name, and then referred to by it.
const longSet = 100

// line is an entry as it is written.
type line struct {
	state.Entry
	// Hosts hides the list of the entry: they are written as package hostset does.
	Hosts string `json:"hosts,omitempty"`
	// Set names the hosts: in the first line with them beside Hosts, in later ones instead.
	Set   string  `json:"set,omitempty"`
	Facts []facts `json:"facts,omitempty"`
}

// facts are neighbours in an entry that differ in the host only.
type facts struct {
	Host  string `json:"host,omitempty"`
	Hosts string `json:"hosts,omitempty"` // when there are several
	Field string `json:"field"`
	Value string `json:"value"`
}

// Chain is how far a ledger was read, or written.
type Chain struct {
	Entries int
	Last    string // link
	// Forget the hosts: only the chain is wanted, to go on with.
	Forget bool

	sets map[string]*set // by name
	// texts are the hosts of those that are too short for a name.
	texts map[string][]string
}

// set is hosts that many entries share.
type set struct {
	text  string
	hosts []string // nil until somebody asks
}

// New is the chain of a ledger without entries.
func New() Chain {
	return Chain{Last: genesis, sets: map[string]*set{}, texts: map[string][]string{}}
}

// Encode turns entries into lines, each with a newline at its end, and goes on to the last of them.
func (c *Chain) Encode(entries []state.Entry) ([]byte, error) {
	var lines, body bytes.Buffer
	enc := json.NewEncoder(&body) // ends every entry with a newline, and escapes those within
	enc.SetEscapeHTML(false)
	var given []string // of the entry before: announced and done on the same hosts, they are folded once
	var folded string
	for _, e := range entries {
		var err error
		if !same(e.Hosts, given) {
			given = e.Hosts
			folded, err = hostset.Fold(e.Hosts)
		}
		var l line
		if err == nil {
			l, err = c.line(e.Recorded(), folded)
		}
		if err == nil {
			body.Reset()
			err = enc.Encode(l)
		}
		if err != nil {
			return nil, fmt.Errorf("ledger entry about %s %s: %w", e.Secret, e.Version, err)
		}
		text := bytes.TrimSuffix(body.Bytes(), []byte("\n"))
		c.Entries, c.Last = c.Entries+1, link(c.Last, text)
		lines.Write(addLink(text, c.Last))
		lines.WriteByte('\n')
	}
	return lines.Bytes(), nil
}

// same says that two slices are one.
func same(a, b []string) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func (c *Chain) line(e state.Entry, hosts string) (l line, err error) {
	l.Entry, l.Hosts = e, hosts
	if len(l.Hosts) > longSet {
		name := nameOf(l.Hosts)
		switch known := c.sets[name]; {
		case known == nil:
			c.sets[name] = &set{text: l.Hosts}
			l.Set = name
		case known.text == l.Hosts:
			l.Set, l.Hosts = name, ""
		}
	}
	for i := 0; i < len(e.Facts); {
		n := alike(e.Facts[i:])
		f := facts{Host: e.Facts[i].Host, Field: e.Facts[i].Field, Value: e.Facts[i].Value}
		if n > 1 {
			hosts := make([]string, n)
			for j := range hosts {
				hosts[j] = e.Facts[i+j].Host
			}
			f.Host = ""
			if f.Hosts, err = hostset.Fold(hosts); err != nil {
				return line{}, err
			}
		}
		l.Facts = append(l.Facts, f)
		i += n
	}
	return l, nil
}

// alike is how many facts from the first on say the same of one host after the other.
func alike(told []state.Fact) int {
	n := 1
	for n < len(told) && told[n].Field == told[0].Field && told[n].Value == told[0].Value && told[n-1].Host < told[n].Host {
		n++
	}
	return n
}

// What is wrong with a line.
var (
	ErrDamaged = errors.New("this line is damaged")
	ErrLink    = errors.New("this line does not follow from the one before it: a line was lost, added, edited or moved")
)

// Decode reads one line, without its newline, and goes on to it.
func (c *Chain) Decode(text []byte) (state.Entry, error) {
	body, link1, ok := cutLink(text)
	if ok && link(c.Last, body) != link1 {
		return state.Entry{}, ErrLink
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil || l.Outcome == "" {
		return state.Entry{}, ErrDamaged // an entry without an outcome says nothing
	}
	if !ok {
		return state.Entry{}, ErrLink
	}
	e := l.Entry
	var err error
	if e.Hosts, err = c.hosts(l); err != nil {
		return state.Entry{}, err
	}
	if e.Facts, err = c.facts(l.Facts); err != nil {
		return state.Entry{}, err
	}
	c.Entries, c.Last, e.Link = c.Entries+1, link1, link1
	return e, nil
}

// hosts returns the hosts of a line; of a set they are read once.
func (c *Chain) hosts(l line) ([]string, error) {
	if l.Set == "" {
		return c.unnamed(l.Hosts)
	}
	known := c.sets[l.Set]
	switch {
	case known == nil && l.Hosts == "":
		return nil, fmt.Errorf("this line is about the hosts of set %s, which no line before it names", l.Set)
	case known == nil:
		known = &set{text: l.Hosts}
		c.sets[l.Set] = known
	case l.Hosts != "" && l.Hosts != known.text:
		return nil, fmt.Errorf("this line gives set %s other hosts than a line before it", l.Set)
	}
	if known.hosts == nil && !c.Forget {
		hosts, err := hostset.Unfold(known.text)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		known.hosts = hosts
	}
	return known.hosts, nil
}

func (c *Chain) unnamed(text string) ([]string, error) {
	if text == "" || c.Forget {
		return nil, nil
	}
	if hosts, known := c.texts[text]; known {
		return hosts, nil
	}
	hosts, err := hostset.Unfold(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	c.texts[text] = hosts
	return hosts, nil
}

func (c *Chain) facts(written []facts) ([]state.Fact, error) {
	var told []state.Fact
	for _, f := range written {
		hosts := []string{f.Host}
		if f.Hosts != "" {
			var err error
			if hosts, err = c.unnamed(f.Hosts); err != nil {
				return nil, err
			}
		}
		for _, host := range hosts {
			told = append(told, state.Fact{Host: host, Field: f.Field, Value: f.Value})
		}
	}
	return told, nil
}
