package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"meshrotate/reconciler"
)

// ask asks a question that only the word yes answers.
func (p *program) ask(ctx context.Context, question string) error {
	if !p.io.InTerminal {
		return reconciler.Hinted(errors.New("there is nobody to ask: standard input is not a terminal; nothing was changed"), "say --yes")
	}
	fmt.Fprintf(p.io.Err, "%s Only 'yes' is accepted: ", question)
	answer := make(chan string, 1)
	go func() { // a read cannot be interrupted; it ends with the process
		line, _ := bufio.NewReader(p.io.In).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(p.io.Err)
		return errors.New(interrupted(ctx) + " at the question; nothing was changed")
	case a := <-answer:
		if a != "yes" {
			return errors.New("not confirmed; nothing was changed")
		}
		return nil
	}
}
