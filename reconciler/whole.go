package reconciler

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"meshrotate/state"
)

// whole is the digest of a plan's JSON, however it is laid out, but for what is made of it: its own field and the seal. Everything that
// somebody reads there is in it: why, until when it is good, whom it believed.
func whole(plan []byte) (string, error) {
	fields, err := fieldsOf(plan)
	if err != nil {
		return "", err
	}
	delete(fields, "whole")
	delete(fields, "seal")
	body, err := json.Marshal(fields)
	return sum(body), err
}

// MarshalJSON writes the plan with what stands for all of it.
func (p *Plan) MarshalJSON() ([]byte, error) {
	type plain Plan
	marked := plain(*p)
	marked.Whole, marked.Seal = "", ""
	body, err := json.Marshal(&marked)
	if err != nil {
		return nil, err
	}
	all, err := whole(body)
	if err != nil {
		return nil, err
	}
	seal := p.Seal
	if p.Sealer != nil {
		seal = p.Sealer(all)
	}
	// They are the last fields, so that ten thousand hosts' steps are not written again for them.
	last, err := json.Marshal(struct {
		Whole string `json:"whole"`
		Seal  string `json:"seal,omitempty"`
	}{all, seal})
	if err != nil {
		return nil, err
	}
	return append(bytes.TrimSuffix(body, []byte(`"whole":""}`)), last[1:]...), nil
}

// fieldsOf are the fields of a plan's JSON. One that is there twice is refused: readers differ in which they take, and in what they take
// of the other. What is in a field is in the digest as it is written.
func fieldsOf(plan []byte) (map[string]json.RawMessage, error) {
	d, fields := json.NewDecoder(bytes.NewReader(plan)), map[string]json.RawMessage{}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, cmp.Or(err, errors.New("it is no object"))
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var field json.RawMessage
		if err := d.Decode(&field); err != nil {
			return nil, err
		}
		if _, twice := fields[name.(string)]; twice {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		fields[name.(string)] = field
	}
	return fields, nil
}

// unchanged says that a saved plan is, in every word, the one that was made, as far as the file tells.
func (s *Saved) unchanged(plan []byte) error {
	is, err := whole(plan)
	if err == nil && is != s.Whole {
		err = errors.New("something in it differs")
	}
	return err
}

// unsealed says why a saved plan was not made with the state and the key that the present one was made with, or nil. Whoever edits the
// file can make its digest again, and not the seal.
func (s *Saved) unsealed(now *Plan, again string) error {
	if now.Sealer == nil {
		return nil
	}
	want := now.Sealer(s.Whole)
	switch had, has := strings.HasPrefix(s.Seal, state.KeySealed), strings.HasPrefix(want, state.KeySealed); {
	case s.Seal == want:
		return nil
	case s.Seal != "" && has && !had: // only with the key: else whoever reads the state could take it off
		return Hinted(errors.New("the saved plan was sealed where the age identity is not known, and here it is: whoever can read the state can make such a seal; nothing was changed"),
			"make it again where the identity is: "+again)
	case had && !has:
		return Hinted(errors.New("the saved plan was sealed with an age identity, and here there is none with which that can be checked; nothing was changed"),
			"give apply the identity that plan had; or "+again)
	}
	return Hinted(errors.New("the saved plan was changed after it was made, by somebody who does not have the state or its age identity: its seal is that of another one; nothing was changed"),
		"find out who can write it; "+again)
}
