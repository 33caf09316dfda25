package specs_test

import (
	"net/http"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
	"github.com/go-git/go-git/v5/storage"
)

// goServer serves one repository over git's smart HTTP protocol with go-git's own server, which cannot be shallow.
func goServer(h *history) http.Handler {
	sessions := server.NewServer(oneLoader{h.repo.Storer})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := sessions.NewUploadPackSession(&transport.Endpoint{}, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/info/refs") {
			refs, err := session.AdvertisedReferencesContext(r.Context())
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			refs.Prefix = [][]byte{[]byte("# service=git-upload-pack"), {}}
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			_ = refs.Encode(w)
			return
		}
		request := packp.NewUploadPackRequest()
		var response *packp.UploadPackResponse
		if err = request.Decode(r.Body); err == nil {
			response, err = session.UploadPack(r.Context(), request)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_ = response.Encode(w)
	})
}

type oneLoader struct{ s storage.Storer }

func (l oneLoader) Load(*transport.Endpoint) (storer.Storer, error) { return l.s, nil }
