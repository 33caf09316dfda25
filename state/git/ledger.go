package git

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
	"meshrotate/state/chain"
)

const ledgerFile, headFile = "ledger.jsonl", "ledger.head"

// ledgerLimit is in bytes: what forges take as one file.
const ledgerLimit = 90 << 20

// tail is how far this process knows the ledger.
type tail struct {
	blob  plumbing.Hash
	chain chain.Chain
	text  []byte
}

// head is how far the ledger goes: a chain by itself does not show that its end is gone.
type head struct {
	Entries int    `json:"entries"`
	Chain   string `json:"chain,omitempty"`
}

func (h head) text() ([]byte, error) {
	text, err := json.Marshal(h)
	return append(text, '\n'), err
}

// knows notes how far the branch has the ledger.
func (s *Store) knows(c chain.Chain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = &head{c.Entries, c.Last}
}

// known is what knows noted last.
func (s *Store) known() *head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record
}

// Append pushes the entries, or writes them into the journal when a run has kept room there.
func (s *Store) Append(ctx context.Context, entries ...state.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append to the ledger: %w", context.Cause(ctx))
	}
	if j := s.journaling(); j != nil {
		return j.append(ctx, entries)
	}
	if j := s.ending(ctx, entries); j != nil {
		return j.append(ctx, entries)
	}
	return s.publish(ctx, entries, false)
}

// publishRest is publish for a journal: some of it may be there since an answer was lost.
func (s *Store) publishRest(ctx context.Context, entries []state.Entry) error {
	return s.publish(ctx, entries, true)
}

// publish makes one commit of the entries.
func (s *Store) publish(ctx context.Context, all []state.Entry, journaled bool) error {
	var sent []string // the links of attempts whose answer did not come
	var now chain.Chain
	err := s.main.change(ctx, "append to the ledger", func(t *tip) (c change, err error) {
		known := s.tail
		s.tail = nil // an encoder that was not heard is of no use
		there, entries := false, all
		if known == nil || known.blob != t.files[ledgerFile] {
			var links []string
			var published []state.Entry
			known, published, err = decode(t, func(link string) { links, there = append(links, link), there || slices.Contains(sent, link) })
			if err == nil {
				err = s.hasAll(s.known(), links) // else it was taken back while we were at work
			}
			if err == nil && journaled {
				entries, err = beyond(published, all)
			}
		}
		if err != nil {
			return c, err
		}
		if there || len(entries) == 0 {
			now = known.chain
			return c, nil
		}
		lines, err := known.chain.Encode(entries)
		if err != nil {
			return c, err
		}
		known.text = append(bytes.Clone(known.text), lines...)
		if len(known.text) > ledgerLimit {
			return c, &hinted{fmt.Errorf("it would have more than %d bytes", ledgerLimit), "keep the branch as an archive and begin another"}
		}
		sent = append(sent, known.chain.Last)
		known.blob = plumbing.ComputeHash(plumbing.BlobObject, known.text)
		s.tail = known
		now = known.chain
		h, err := head{now.Entries, now.Last}.text()
		return change{files: map[string][]byte{ledgerFile: known.text, headFile: h}, message: message(entries)}, err
	})
	if err == nil {
		s.knows(now)
	}
	return err
}

// decode reads the whole ledger. A line that is not as it was written, or where it was written, is an error that names it, and so
// is one that the head does not know.
func decode(t *tip, each func(link string)) (*tail, []state.Entry, error) {
	known := &tail{blob: t.files[ledgerFile], chain: chain.New()}
	text, ok, err := t.read(ledgerFile)
	if err != nil {
		return nil, nil, err
	}
	var h head
	about, began, err := t.read(headFile)
	if err == nil && began {
		err = json.Unmarshal(about, &h)
	}
	if err != nil || ok != began {
		return nil, nil, damaged(errors.New("ledger.jsonl and ledger.head do not go together"))
	}
	var entries []state.Entry
	for n, line := range bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) {
		if len(text) == 0 {
			break
		}
		e, err := known.chain.Decode(line)
		if err != nil {
			return nil, nil, damaged(fmt.Errorf("ledger.jsonl:%d: %w", n+1, err))
		}
		entries = append(entries, e)
		each(known.chain.Last)
	}
	if h.Entries != known.chain.Entries || h.Entries > 0 && h.Chain != known.chain.Last {
		return nil, nil, damaged(fmt.Errorf("ledger.jsonl has %d entries, and ledger.head knows of %d", known.chain.Entries, h.Entries))
	}
	known.text = text
	return known, entries, nil
}

func damaged(err error) error {
	return state.Damaged(err, "take the branch back to the last commit that meshrotate made, or restore it from a backup: nothing is changed while the record has a hole")
}

// Entries reads the whole ledger, and what journals on this machine have beyond it.
func (s *Store) Entries(ctx context.Context) (entries []state.Entry, err error) {
	var record *head // asked first: what was published since is more
	err = s.lock.look(ctx, "look at the lock", func(t *tip) error {
		record, err = t.record()
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.main.look(ctx, "read the ledger", func(t *tip) error {
		var links []string
		var known *tail
		if known, entries, err = decode(t, func(link string) { links = append(links, link) }); err == nil {
			err = s.hasAll(record, links)
		}
		if err == nil {
			s.knows(known.chain)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	left, err := s.leftovers(ctx, entries)
	if err != nil {
		return nil, err
	}
	for _, l := range left {
		entries = append(entries, l.rest...)
	}
	return entries, nil
}

// hasAll says whether the branch has the ledger as far as the lock knows of it.
func (s *Store) hasAll(record *head, links []string) error {
	if record == nil || record.Entries == 0 || record.Entries <= len(links) && links[record.Entries-1] == record.Chain {
		return nil
	}
	main, lock := s.main.name.Short(), s.lock.name.Short()
	err := fmt.Errorf("entry %d of the ledger on %s is not the one that %s knows", record.Entries, main, lock)
	if missing := record.Entries - len(links); missing > 0 {
		err = fmt.Errorf("the ledger on %s has %d entries, and %s knows of %d: it was deleted, or taken back", main, len(links), lock, record.Entries)
	}
	return state.Damaged(err, "push "+main+" again as a clone, a backup or the server's own log has it; if that is lost for good, delete "+lock+" while nobody is at work: what the lost entries told is then looked at again")
}

// message is what the log says of entries: what became of rotations, else of the first step.
func message(entries []state.Entry) string {
	var said []string
	for _, e := range entries {
		if e.Step == "" && e.Secret != "" {
			said = append(said, secret.Ref{Name: e.Secret, Version: e.Version}.String()+" "+string(e.Outcome))
		}
	}
	if len(said) == 0 {
		e := entries[0]
		said = append(said, strings.TrimSpace(strings.TrimSpace(e.Secret+" "+e.Version)+" "+e.Step+" "+string(e.Outcome)))
		if more := len(entries) - 1; more > 0 {
			said = append(said, fmt.Sprintf("and %d more", more))
		}
	}
	const most = 4
	if more := len(said) - most; more > 0 {
		said = append(said[:most], fmt.Sprintf("and %d more", more))
	}
	text := strings.ReplaceAll(strings.Join(said, ", "), "\n", " ") + "\n"
	last := entries[len(entries)-1]
	for _, field := range [][2]string{{"run", last.Run}, {"by", last.By}, {"commit", last.Commit}} {
		if field[1] != "" {
			text += "\n" + field[0] + " " + field[1]
		}
	}
	return text
}
