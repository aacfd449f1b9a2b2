package posted

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func request(media, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", media)
	return r
}

func TestRead(t *testing.T) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("name", "我的 USB Key")
	for name, text := range map[string]string{"pem": "-----BEGIN\r\n", "der": "0\x82\x01\x00"} {
		f, _ := w.CreateFormFile(name, "C:\\fake\\"+name)
		_, _ = f.Write([]byte(text))
	}
	_ = w.Close()
	got, err := Read(nil, request(w.FormDataContentType(), b.String()), 1<<10, true)
	if want := (url.Values{"name": {"我的 USB Key"}, "pem": {"-----BEGIN\r\n"}, "der": {"MIIBAA=="}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Read(nil, request(w.FormDataContentType(), b.String()), 1<<10, false); !errors.Is(err, ErrMedia) {
		t.Errorf("files where there are none: %v", err)
	}
	if _, err := Read(nil, request(w.FormDataContentType(), b.String()), 100, true); !errors.Is(err, ErrSize) {
		t.Errorf("too large: %v", err)
	}
	for body, want := range map[string]error{"a=1&b=%E4%B8%80": nil, "a=%FF": ErrForm, "a=%": ErrForm, strings.Repeat("a=&", maxFields+1): ErrForm} {
		if _, err := Read(nil, request(media, body), 1<<20, true); !errors.Is(err, want) || err != nil && want == nil {
			t.Errorf("%.20q: %v", body, err)
		}
	}
	part := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
	for name, body := range map[string]string{
		"too many": strings.Repeat(part, maxParts+1) + "--x--", "cut": part, "without a name": "--x\r\n\r\n1\r\n--x--", "not UTF-8": strings.Replace(part, "1", "\xff", 1) + "--x--",
	} {
		if _, err := Read(nil, request("multipart/form-data; boundary=x", body), 1<<20, true); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(nil, request("multipart/form-data", part), 1<<20, true); !errors.Is(err, ErrMedia) {
		t.Errorf("without a boundary: %v", err)
	}
	if form, _ := Parse("a=1&a=2"); !Repeated(form) || Repeated(form, "a") {
		t.Error("what comes twice isn't noticed")
	}
}

func FuzzRead(f *testing.F) {
	f.Add("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n1\r\n--x--")
	f.Add(media, "a=1")
	f.Fuzz(func(t *testing.T, media, body string) {
		form, err := Read(nil, request(media, body), 1<<16, true)
		if err == nil {
			if again, err := Parse(form.Encode()); err != nil || !reflect.DeepEqual(again, form) {
				t.Errorf("%v became %v, %v", form, again, err)
			}
		}
	})
}
