package rotationtest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
	"unicode/utf16"
)

// Search looks for values, in every form in which a program lets one slip, in everything that was said.
func Search(t testing.TB, secrets, said map[string][]byte) {
	t.Helper()
	for _, found := range Found(secrets, said) {
		t.Error(found)
	}
}

// Found is what Search finds, in words. There are hundreds of forms, so each text is passed once for all of them.
func Found(secrets, said map[string][]byte) (all []string) {
	var n needles
	for name, value := range secrets {
		if len(value) < least {
			all = append(all, name+" is too short to be searched for")
			continue
		}
		for form, b := range forms(value) {
			n.add(name+", as "+form, b)
		}
	}
	for where, text := range said {
		for what, i := range n.in(text) {
			all = append(all, fmt.Sprintf("%s, is in %s at byte %d", what, where, i))
		}
	}
	return all
}

// least is how many bytes of a form it is looked up by. None is shorter.
const least = 8

// needles are what is searched for, by their first bytes; may says of two bytes whether one begins with them.
type needles struct {
	by  map[[least]byte][]needle
	may [1 << 16]bool
}

type needle struct {
	what  string
	bytes []byte
}

func (n *needles) add(what string, b []byte) {
	if n.by == nil {
		n.by = map[[least]byte][]needle{}
	}
	n.by[[least]byte(b)] = append(n.by[[least]byte(b)], needle{what, b})
	n.may[int(b[0])<<8|int(b[1])] = true
}

// in says where each stands for the first time.
func (n *needles) in(text []byte) map[string]int {
	at := map[string]int{}
	for i := range max(0, len(text)-least+1) {
		if !n.may[int(text[i])<<8|int(text[i+1])] {
			continue
		}
		for _, one := range n.by[[least]byte(text[i:])] {
			if _, known := at[one.what]; !known && bytes.HasPrefix(text[i:], one.bytes) {
				at[one.what] = i
			}
		}
	}
	return at
}

// forms are the value as it is, and as it looks when it was encoded. A value that is base64 is searched for decoded too.
func forms(value []byte) map[string][]byte {
	all := map[string][]byte{}
	add := func(prefix string, v []byte) {
		all[prefix+"text"] = v
		all[prefix+"hex"] = []byte(hex.EncodeToString(v))
		all[prefix+"HEX"] = bytes.ToUpper(all[prefix+"hex"])
		all[prefix+"UTF-16"] = wide(v)
		if quoted, err := json.Marshal(string(v)); err == nil {
			all[prefix+"JSON"] = quoted[1 : len(quoted)-1]
		}
		for i, encoded := range inner(v) {
			all[prefix+"base64 at "+string(rune('0'+i))] = encoded
		}
		for i, encoded := range inner(wide(v)) {
			all[prefix+"UTF-16 in base64 at "+string(rune('0'+i))] = encoded
		}
	}
	add("", value)
	if raw, err := base64.StdEncoding.DecodeString(string(value)); err == nil && len(raw) >= 8 {
		add("decoded ", raw)
	}
	return all
}

// inner is what base64 makes of the value at each of the three places in a longer text, without the characters that
// depend on its neighbours.
func inner(v []byte) [][]byte {
	var all [][]byte
	for shift := range 3 {
		padded := append(make([]byte, shift), v...)
		e := base64.RawStdEncoding.EncodeToString(padded)
		from, to := (shift*8+5)/6, len(padded)*8/6
		all = append(all, []byte(e[from:to]))
	}
	return all
}

func wide(v []byte) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(string(v))) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

// search looks through what this run said.
func (p *process) search() {
	p.t.Helper()
	p.mu.Lock()
	said := bytes.Clone(p.said.Bytes())
	p.mu.Unlock()
	Search(p.t, p.world.Secrets(), map[string][]byte{"what the run said": said})
}
