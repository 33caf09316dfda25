package values

import (
	"context"
	"fmt"
	"sync"

	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// Store is where values may come from besides variables and files.
type Store interface {
	// Read returns what is at a place. About is what the store says of it, for people: "version 4 of 2026-11-20 13:02 UTC", or "".
	Read(ctx context.Context, at specs.Item) (data secret.Value, about string, err error)
}

// Stores are a deployment's stores by their names, each opened when something is asked of it first. A place is asked once: what was
// answered counts until the process ends. It is safe for concurrent use, and different places are asked at the same time.
type Stores struct {
	open map[string]func(context.Context) (Store, error)

	mu     sync.Mutex
	places map[specs.Item]*place
}

// place is one that was asked, or is being asked.
type place struct {
	turn  chan struct{} // had by who asks: a channel, as whoever has it waits for a server
	known bool
	data  secret.Value
	about string
}

// NewStores opens none yet.
func NewStores(open map[string]func(context.Context) (Store, error)) *Stores {
	return &Stores{open: open, places: map[specs.Item]*place{}}
}

// Read asks a store for a value, once.
func (s *Stores) Read(ctx context.Context, at specs.Item) (data secret.Value, about string, err error) {
	p := s.place(at)
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return data, "", context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	if p.known {
		return p.data, p.about, nil
	}
	open := s.open[at.Store]
	if open == nil {
		return data, "", hint(fmt.Errorf("there is no store %s here", at.Store), "declare it under connect.stores")
	}
	store, err := open(ctx)
	if err != nil {
		return data, "", err
	}
	if data, about, err = store.Read(ctx, at); err != nil {
		return data, "", err
	}
	p.known, p.data, p.about = true, data, about
	return data, about, nil
}

func (s *Stores) place(at specs.Item) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places[at] == nil {
		s.places[at] = &place{turn: make(chan struct{}, 1)}
	}
	return s.places[at]
}

// FromStore is a value in a store.
type FromStore struct {
	Item   specs.Item
	Form   Form
	Stores *Stores
}

// Get asks the store, once in this process.
func (f FromStore) Get(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	data, _, err := f.Stores.Read(ctx, f.Item)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", label(ref), err)
	}
	v, err := f.Form.value(data.Expose())
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: store %s: %w", label(ref), f.Item, err)
	}
	return v, nil
}

// About is what the store says of it, once it was asked.
func (f FromStore) About() string {
	p := f.Stores.place(f.Item)
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	if p.about == "" {
		return ""
	}
	return ", " + p.about
}
