package adminapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// Posts asks whether an endpoint takes a POST, by OPTIONS, which changes nothing: a server that has the endpoint names its methods
// in Allow (RFC 9110, 9.3.7 and 15.5.6). Many answer OPTIONS otherwise, and a proxy may do so for all of them: what beside, which
// is there, is answered with as well says nothing. Untried is true then. That the account may do what is asked for is not known
// either way.
func (c *Client) Posts(ctx context.Context, path, beside string) (untried bool, err error) {
	methods, status, err := c.options(ctx, path)
	if err != nil {
		return true, err
	}
	missing := status == http.StatusNotFound || status == http.StatusGone
	switch {
	case slices.Contains(methods, http.MethodPost):
		return false, nil
	case missing, status == http.StatusMethodNotAllowed && len(methods) > 0:
		if known, answered, err := c.options(ctx, beside); err != nil || answered == status && slices.Equal(methods, known) {
			return true, err
		}
	default:
		return true, nil
	}
	e := &Error{Kind: NotFound, Status: status}
	if !missing {
		e.Kind, e.Detail = Method, "it takes "+plain(strings.Join(methods, ", "))+", and no POST"
	}
	return false, c.named(e, http.MethodOptions, path)
}

// options are the methods that an endpoint names, and the status of the answer.
func (c *Client) options(ctx context.Context, path string) (methods []string, status int, err error) {
	a, err := c.repeat(ctx, http.MethodOptions, path, "", func(h http.Header, status int, _ []byte) error {
		methods = nil
		for _, m := range strings.Split(strings.Join(h.Values("Allow"), ","), ",") {
			if m = strings.ToUpper(strings.TrimSpace(m)); m != "" {
				methods = append(methods, m)
			}
		}
		if status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout {
			return &Error{Kind: Server, Status: status}
		}
		return nil
	})
	if err != nil && Passes(err) {
		return nil, a.Status, nil // whoever answers for it does not say
	}
	return methods, a.Status, err
}
