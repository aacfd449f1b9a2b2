package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Asset is a static file. Its name changes with its content, so it may be cached forever.
type Asset struct {
	Media  string
	Body   []byte
	Packed []byte // Body by gzip
}

// StaticPath is where assets lie, each below it by its name.
const StaticPath = "/static/"

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func (p *Pages) readAssets() error {
	p.assets, p.urls = map[string]Asset{}, map[string]string{}
	names, err := fs.Glob(files, "static/*")
	if err != nil {
		return err
	}
	for _, name := range names {
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		a := Asset{Media: mediaTypes[path.Ext(name)], Body: body}
		if a.Media == "" {
			return fmt.Errorf("%s: no media type is known for it", name)
		}
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := w.Write(body); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		a.Packed = b.Bytes()
		sum := sha256.Sum256(body)
		base, ext := path.Base(name), path.Ext(name)
		hashed := strings.TrimSuffix(base, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		p.assets[hashed], p.urls[base] = a, StaticPath+hashed
	}
	return nil
}

// URL returns the address of a static file, or nothing if there is none.
func (p *Pages) URL(name string) string { return p.urls[name] }

// Asset returns a static file by the name in its URL.
func (p *Pages) Asset(name string) (Asset, bool) {
	a, ok := p.assets[name]
	return a, ok
}
