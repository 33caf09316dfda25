package lab

import (
	"encoding/binary"
	"maps"
	"net/http"
	"strings"
	"time"
	"unicode/utf16"
)

// writings are the ways to write JSON, of those in RelayShapes, that every answer of Admin's API has.
var writings = map[string]func(h http.Header, json []byte) []byte{
	"text-plain": func(h http.Header, json []byte) []byte {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		return json
	},
	"no-type": func(h http.Header, json []byte) []byte {
		h["Content-Type"] = nil // else net/http has a guess
		return json
	},
	"utf-16": func(h http.Header, json []byte) []byte {
		h.Set("Content-Type", "application/json; charset=utf-16")
		text := []byte{0xff, 0xfe}
		for _, unit := range utf16.Encode([]rune(string(json))) {
			text = binary.LittleEndian.AppendUint16(text, unit)
		}
		return text
	},
}

// written puts answers in JSON into the form that the lab was asked for.
func (l *Lab) written(sound http.Handler) http.Handler {
	as := writings[l.config.Relaying]
	if as == nil {
		return sound
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := &kept{header: http.Header{}, status: http.StatusOK}
		sound.ServeHTTP(whole, r)
		maps.Copy(w.Header(), whole.header)
		if strings.HasPrefix(whole.header.Get("Content-Type"), "application/json") {
			whole.body = as(w.Header(), whole.body)
		}
		w.WriteHeader(whole.status)
		_, _ = w.Write(whole.body)
	})
}

// trickling sends what would be answered a byte at a time.
func trickling(w http.ResponseWriter, r *http.Request, sound http.Handler) {
	whole := &kept{header: http.Header{}, status: http.StatusOK}
	sound.ServeHTTP(whole, r)
	maps.Copy(w.Header(), whole.header)
	w.WriteHeader(whole.status)
	for i := 0; i < len(whole.body) && r.Context().Err() == nil; i++ {
		_, _ = w.Write(whole.body[i : i+1])
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Second / 5)
	}
}
