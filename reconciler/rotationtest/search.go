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
func Search(t *testing.T, secrets, said map[string][]byte) {
	t.Helper()
	for _, found := range Found(secrets, said) {
		t.Error(found)
	}
}

// Found is what Search finds, in words.
func Found(secrets, said map[string][]byte) (all []string) {
	for name, value := range secrets {
		if len(value) < 8 {
			all = append(all, name+" is too short to be searched for")
			continue
		}
		for form, b := range forms(value) {
			for where, text := range said {
				if i := bytes.Index(text, b); i >= 0 {
					all = append(all, fmt.Sprintf("%s, as %s, is in %s at byte %d", name, form, where, i))
				}
			}
		}
	}
	return all
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
