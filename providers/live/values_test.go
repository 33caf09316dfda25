package live

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	inmemory "meshrotate/state/memory"
)

// slowSource takes a second for each value, and counts how many it is asked for at a time.
type slowSource struct {
	mu        sync.Mutex
	now, most int
}

func (s *slowSource) Get(_ context.Context, ref secret.Ref) (secret.Value, error) {
	s.count(1)
	defer s.count(-1)
	time.Sleep(time.Second)
	return secret.NewString("the value of " + ref.Name), nil
}

func (s *slowSource) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += n
	s.most = max(s.most, s.now)
}

// A thousand values are asked for together, in a look and before they are kept, and never more than so many at a time.
func TestAThousandValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		identity, _, err := values.NewIdentity()
		if err != nil {
			t.Fatal(err)
		}
		seal, err := values.SealFrom(nil, values.Config{LookupEnv: func(string) (string, bool) { return string(identity.Expose()), true }})
		if err != nil {
			t.Fatal(err)
		}
		source := &slowSource{}
		s := values.Supply{Keep: values.NewKeep(inmemory.New().Open().State().Values, seal), Sources: map[string]values.Source{}, Declared: map[string]string{}}
		var reads []reconciler.Read
		for i := range n {
			name := fmt.Sprintf("connector:%d", i)
			s.Sources[name], s.Declared[name] = source, "1"
			reads = append(reads, site.Value{Secret: secret.Ref{Name: name, Version: "1"}})
		}
		began := time.Now()
		look := (&kept{supply: s}).look(t.Context(), site.Values, reads, secret.Value{})
		if took := time.Since(began); len(look.Results) != n || took > (n/mostAtOnce+1)*time.Second || source.most != mostAtOnce {
			t.Errorf("%d values in %s, %d at a time", len(look.Results), took, source.most)
		}

		// What a look has not read is read before it is kept, and nothing else is done before all are.
		var steps []reconciler.Step
		for _, r := range reads {
			steps = append(steps, reconciler.Step{Phase: reconciler.Prepare, Op: site.Keep{Secret: r.(site.Value).Secret}})
		}
		source.most, began = 0, time.Now()
		reports := (&kept{supply: values.Supply{Keep: s.Keep, Sources: s.Sources, Declared: s.Declared}}).do(t.Context(), site.Values, steps, nil)
		if took := time.Since(began); len(reports) != n || took > (n/mostAtOnce+1)*time.Second || took < n/mostAtOnce*time.Second || source.most != mostAtOnce {
			t.Errorf("%d values kept in %s, %d at a time", len(reports), took, source.most)
		}
		for _, r := range reads {
			if _, err := s.Keep.Get(t.Context(), r.(site.Value).Secret); err != nil {
				t.Fatal(err)
			}
		}
	})
}
