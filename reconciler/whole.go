package reconciler

import (
	"bytes"
	"encoding/json"
	"errors"
)

// whole is the digest of a plan's JSON, however it is laid out, but for what is made of it: its own field and the seal. Everything that
// somebody reads there is in it: why, until when it is good, whom it believed.
func whole(plan []byte) (string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(plan, &fields); err != nil {
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

// unchanged says that a saved plan is, in every word, the one that was made, as far as the file tells.
func (s *Saved) unchanged(plan []byte) error {
	is, err := whole(plan)
	if err == nil && is != s.Whole {
		err = errors.New("something in it differs")
	}
	return err
}

// sealed says that a saved plan was made with the state that the present one was made with. Whoever edits the file can make its digest
// again, and not the seal.
func (s *Saved) sealed(now *Plan) bool {
	return now.Sealer == nil || s.Seal == now.Sealer(s.Whole)
}
