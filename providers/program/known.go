package program

import (
	"strings"
	"sync"
	"unicode/utf8"

	"meshrotate/reconciler/secret"
)

// Known are the values that a run has come to know: none of them is shown in what people have typed, or a program writes.
type Known struct {
	mu   sync.Mutex
	has  map[string]bool    // by the value
	at   map[string][]place // by some letters in a row, where in a form of a value they stand
	tiny []string           // forms that are shorter
	bare []string           // whole values, of letters and digits alone
}

type place struct {
	form string
	at   int
}

// gram is how many letters in a row are looked for, and longGram in what is as long as a file: that has words which others have, too.
const (
	gram     = 8
	longGram = 32
	isLong   = 128
)

// Add makes a value known; nil, nothing is.
func (k *Known) Add(v secret.Value) {
	raw := string(v.Expose())
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if raw == "" || k.has[raw] {
		return
	}
	if k.has == nil {
		k.has, k.at = map[string]bool{}, map[string][]place{}
	}
	k.has[raw] = true
	for _, form := range written(v.Expose()) {
		if utf8.ValidString(form) {
			k.index(strings.ToLower(form), len(raw) > isLong)
		}
	}
	if bare := strings.ToLower(strings.Map(letters, raw)); len(bare) >= gram && len(raw) <= isLong {
		k.bare = append(k.bare, bare, backwards(bare))
	}
}

// index notes the places of a form that are looked for: of a short one each, of a long one some, as whoever shows it shows more.
func (k *Known) index(form string, long bool) {
	n, step := gram, 1
	if long {
		n, step = longGram, longGram
	}
	if len(form) < n {
		k.tiny = append(k.tiny, form)
		return
	}
	for i := 0; i+n <= len(form); i += step {
		k.at[form[i:i+n]] = append(k.at[form[i:i+n]], place{form, i})
	}
}

// Withhold takes what is known out of a text: values, in their usual encodings, and longer parts of them.
func (k *Known) Withhold(text string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.has == nil {
		return text
	}
	hidden := k.marked(lower(text))
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(secret.Redacted)
		}
	}
	shown := b.String()
	bare := strings.ToLower(strings.Map(letters, shown))
	for _, v := range k.bare {
		if strings.Contains(bare, v) {
			return secret.Redacted // it is there with something between its letters
		}
	}
	return shown
}

// marked are the bytes of a text that are a part of a value.
func (k *Known) marked(text string) []bool {
	hidden := make([]bool, len(text)+1)
	mark := func(from, to int) {
		for i := from; i < to; i++ {
			hidden[i] = true
		}
	}
	for i := range text {
		for _, n := range []int{gram, longGram} {
			if i+n > len(text) {
				break
			}
			for _, p := range k.at[text[i:i+n]] {
				before, after := 0, n
				for before < min(i, p.at) && text[i-before-1] == p.form[p.at-before-1] {
					before++
				}
				for i+after < len(text) && p.at+after < len(p.form) && text[i+after] == p.form[p.at+after] {
					after++
				}
				mark(i-before, i+after)
			}
		}
		for _, form := range k.tiny {
			if strings.HasPrefix(text[i:], form) {
				mark(i, i+len(form))
			}
		}
	}
	return hidden
}

// lower makes letters small, each as many bytes as it was.
func lower(s string) string {
	low := strings.ToLower(s)
	if len(low) == len(s) {
		return low
	}
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func backwards(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}
