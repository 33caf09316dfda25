package adminapi

import (
	"context"
	"errors"
	"net/http"
	"syscall"
	"time"
)

// dashboardRead is the permission that the product's runbook names for the relay list.
const dashboardRead = "dashboard.read"

// Ready asks whether the Admin service and its database are ready: 200 is ready, 503 is not, and both are answers.
// Anything else is an error.
func (c *Client) Ready(ctx context.Context) (bool, Answer, error) {
	check, unwell := readiness()
	a, err := c.read(ctx, c.paths.Ready, "", check)
	a.Unwell = *unwell
	return err == nil && a.Status == http.StatusOK && !a.Unwell, a, err
}

// readiness is a check of an answer, and whether that one says in words what its status does not: a health check may be mapped to 200
// whatever it found, as load balancers have it.
func readiness() (check func(http.Header, int, []byte) error, unwell *bool) {
	unwell = new(bool)
	return func(h http.Header, status int, body []byte) error {
		err := readyOrNot(h, status, body)
		*unwell = err == nil && status == http.StatusOK && saysUnwell(body)
		return err
	}, unwell
}

func readyOrNot(h http.Header, status int, body []byte) error {
	if status == http.StatusServiceUnavailable {
		return nil
	}
	if err := wantOK(h, status, body); err != nil {
		return err
	}
	if status != http.StatusOK {
		return &Error{Kind: Server, Status: status, Detail: "expected 200 or 503"}
	}
	return nil
}

// Get reads the object at a path.
func (c *Client) Get(ctx context.Context, path string) (Object, error) {
	var o Object
	places := c.placesOf(path)
	a, err := c.read(ctx, path, "", func(h http.Header, status int, body []byte) (err error) {
		if err = wantJSON(h, status, body); err == nil {
			err = failedInside(body)
		}
		if err == nil {
			o, err = readObject(body)
		}
		return err
	})
	if err != nil {
		return Object{}, err
	}
	o.Answer, o.places = a, places
	return o, nil
}

// List reads the objects at a path: an array of them, or an object that holds one.
func (c *Client) List(ctx context.Context, path string, at Listed) ([]Object, Answer, error) {
	var list []Object
	places := c.placesOf(path)
	a, err := c.read(ctx, path, "", func(h http.Header, status int, body []byte) (err error) {
		if err = wantJSON(h, status, body); err == nil {
			list, err = readList(body, places, at)
		}
		return err
	})
	return list, a, err
}

// Post asks the Admin service to do something, without a body. It is sent once: on an error of Kind Lost it may have been
// carried out.
func (c *Client) Post(ctx context.Context, path string) error {
	_, err := c.once(ctx, http.MethodPost, path, "", wantOK)
	return c.named(err, http.MethodPost, path)
}

// Dashboard asks for the dashboard, which reads the database. Its content is not looked at beyond being a JSON
// object or array. It needs the permission dashboard.read.
func (c *Client) Dashboard(ctx context.Context) (Answer, error) {
	return c.read(ctx, c.paths.Dashboard, dashboardRead, func(h http.Header, status int, body []byte) error {
		if err := wantJSON(h, status, body); err != nil {
			return err
		}
		return readDashboard(body)
	})
}

// WaitReady asks every poll until the Admin service is ready. An unreachable service is not ready yet, nor is one that answers
// with an error: while it starts HTTP.sys answers 404 for what nobody has registered yet, and what stands before a service may refuse for
// it. Every other error ends the wait. The context bounds it: its error then wraps the last answer's.
func (c *Client) WaitReady(ctx context.Context, poll time.Duration) (Answer, error) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	var last error
	var unready time.Time
	for {
		select {
		case <-ctx.Done():
			return Answer{}, c.named(ended(ctx, last), http.MethodGet, c.paths.Ready)
		case <-pause.C:
		}
		check, unwell := readiness()
		a, err := c.once(ctx, http.MethodGet, c.paths.Ready, "", check)
		switch {
		case err == nil && a.Status == http.StatusOK && !*unwell:
			a.Unready = unready
			return a, nil
		case err == nil:
			unready = c.now()
			last = c.named(&Error{Kind: Server, Status: a.Status, Detail: "not ready"}, http.MethodGet, c.paths.Ready)
		case KindOf(err) == Unreachable, KindOf(err) == Slow:
			if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaConnRefused) {
				unready = c.now() // its host answers, and nobody listens there
			}
			last = c.named(err, http.MethodGet, c.paths.Ready)
		case c.mayPass(err):
			last = c.named(err, http.MethodGet, c.paths.Ready)
		case ctx.Err() == nil && !passing(err):
			return a, c.named(err, http.MethodGet, c.paths.Ready)
		}
		pause.Reset(poll)
	}
}

// mayPass says of an error while Admin starts that it may be one of the moment. A credential that a directory refuses is refused for good,
// but where it was taken before.
func (c *Client) mayPass(err error) bool {
	return Answered(err) || KindOf(err) == Credential && c.past.hasTaken(http.MethodGet+" "+c.paths.Ready)
}
