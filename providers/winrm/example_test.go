package winrm_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshrotate/providers/winrm"
	"meshrotate/reconciler/secret"
)

func Example() {
	password := secret.NewString("from somewhere safe")
	var guard winrm.Guard // one for each credential, shared by all hosts

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := winrm.Open(ctx, winrm.Config{
		Address: "relay-01.hq.contoso.example", Auth: winrm.NTLM,
		User: `CONTOSO\rotator`, Password: password, Guard: &guard,
	})
	if err != nil {
		var e *winrm.Error
		if errors.As(err, &e) {
			fmt.Println(e, "hint:", e.Hint())
		}
		return
	}
	// The shell is worth deleting even when ctx has ended.
	defer func() { _ = s.Close(context.WithoutCancel(ctx)) }()

	p, err := s.Start(ctx, "hostname")
	if err != nil {
		return
	}
	for {
		out, err := p.Receive(ctx)
		if err != nil {
			return // unknown is never success
		}
		fmt.Printf("%s", out.Stdout)
		if out.Done {
			return
		}
	}
}
