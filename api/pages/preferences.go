package pages

import (
	"net/url"
	"path"
	"strings"

	"yizheng.internal/api/web"
)

// preferences sets language and text size, and leads back.
func (s *Site) preferences(v *Visit) error {
	q := v.R.URL.Query()
	if l, ok := web.ParseLanguage(q.Get("language")); ok {
		v.setCookie(languageCookie, string(l), year)
	}
	switch q.Get("text") {
	case "large":
		v.setCookie(textCookie, "large", year)
	case "normal":
		v.dropCookie(textCookie)
	}
	return v.Redirect(LocalPath(q.Get("to")))
}

// LocalPath returns a path of ours with its query as it was given, or "/" for
// anything that could lead elsewhere.
func LocalPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !CleanPath(u.EscapedPath()) ||
		strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") || u.Path == web.PreferencesPath {
		return "/"
	}
	return u.EscapedPath() + queryOf(u)
}

func queryOf(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return "?" + u.Query().Encode()
}

// CleanPath reports whether a path is in its shortest form. The mux would
// redirect other ones: an API has no use for that, it would turn a POST into a
// GET, and the answer would repeat the URL.
func CleanPath(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	return p == path.Clean(p) || p == path.Clean(p)+"/"
}
