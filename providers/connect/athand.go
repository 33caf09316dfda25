package connect

import "context"

// atHand makes the credentials known that are in a variable or a file of this machine.
func (c *connector) atHand(ctx context.Context) {
	for _, s := range c.d.Credentials() {
		if s.Store == "" {
			_, _ = c.value(ctx, &s, "a credential") // whoever needs it says what is wrong with it
		}
	}
}
