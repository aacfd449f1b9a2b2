package password

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"yizheng.internal/oidc/identity"
)

// vectors are hashes that others published, and hashes that other programs made. The salt of the latter is
// the bytes 0 to 15, where the form leaves the choice.
var vectors = []struct{ source, password, hash string }{
	{"Openwall crypt_blowfish 1.3, wrapper.c", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
	{"Openwall crypt_blowfish 1.3, wrapper.c", "U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"},
	{"Openwall crypt_blowfish 1.3, wrapper.c", "U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"},
	{"Openwall crypt_blowfish 1.3, wrapper.c, of a password cut after 72 bytes", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored", "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"},
	{"passlib 1.7 documentation, pbkdf2_digest", "password", "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44"},
	{"passlib 1.7 documentation, tutorial", "toomanysecrets", "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk"},
	{"Argon2's own tests, test.c of phc-winner-argon2, version 0x13", "password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"},
	{"Argon2's own tests, test.c of phc-winner-argon2, version 0x13", "password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
	{"Python bcrypt 5.0.0: bcrypt.hashpw(password, b'$2b$04$abcdefghijklmnopqrstuu')", "样例密码 rücken", "$2b$04$abcdefghijklmnopqrstuuEiZALD5Vh63PaH7brofYCMnNflUYgPK"},
	{"libxcrypt 4.4: perl -e 'print crypt(\"样例\", q($2y$05$abcdefghijklmnopqrstuu))'", "样例", "$2y$05$abcdefghijklmnopqrstuugxcJZ0xsGLdJB0IQpGuZsQYt17eFv5q"},
	{"passlib 1.7.4: pbkdf2_sha256.using(rounds=29000, salt=salt).hash(password)", "样例密码", "$pbkdf2-sha256$29000$AAECAwQFBgcICQoLDA0ODw$y8ZSu4lb.U5nyijN8u3QL8FqV8X7L9Y5HfT.c/qWLOI"},
	{"passlib 1.7.4: pbkdf2_sha512.using(rounds=25000, salt=salt).hash(password); openssl kdf PBKDF2 says the same", "样例密码", "$pbkdf2-sha512$25000$AAECAwQFBgcICQoLDA0ODw$NQ1xFMxfA6bfcu2n.CUUgV26qFgp1ssIzaqMOU.o7uJ5Y.J5Elw/6zKaugiee20IWPeiGdw170AptIGMyvYFrA"},
	{"passlib 1.7.4: pbkdf2_sha512.using(rounds=1000, salt=b'').hash(password)", "样例密码", "$pbkdf2-sha512$1000$$8DI56jXck9puMIPrWvI3fnvlV9kZmEWD.8qqmcaklTl0u0Mk3j6RdLpsvi24lp6OXZHwXsrsX/XPzIsTUZkY1g"},
	{"Django 5.2.19: PBKDF2PasswordHasher().encode(password, 'seasalt2', 1000)", "样例密码", "pbkdf2_sha256$1000$seasalt2$c83tOKMns+5movpWafX6FEZuwwcf8ZrOjConP3NXMa8="},
	{"passlib 1.7.4: scrypt.using(rounds=10, block_size=8, parallelism=2, salt=salt).hash(password); openssl kdf SCRYPT says the same", "样例密码", "$scrypt$ln=10,r=8,p=2$AAECAwQFBgcICQoLDA0ODw$Pb4elJdQor/9yCTodC5PINj2rRUVfi8fYELYU/2Sr74"},
	{"argon2-cffi 25.1.0: hash_secret(password, salt, 3, 4096, 4, 32, Type.ID)", "样例密码", "$argon2id$v=19$m=4096,t=3,p=4$AAECAwQFBgcICQoLDA0ODw$8C2Xii4jldrJR+fhnjJSdnpPQ/HMutx0WmDfvk0xevM"},
	{"openssl dgst -sm3 over the salt and the password", "样例密码", "$sm3$before$AAECAwQFBgcICQoLDA0ODw==$3b3a7f2021f7bfafb7482a756bb1ba9717216c8e9cdae36b8af3946062da995f"},
	{"openssl dgst -sm3 over the password and the salt", "样例密码", "$sm3$after$AAECAwQFBgcICQoLDA0ODw$f0cfcd7dd5aa7099b86265251309520c7a0c8682c9fac7e861d3c15754485bee"},
}

// emptied are hashes of the empty password.
var emptied = []struct{ source, hash string }{
	{"Openwall crypt_blowfish 1.3, wrapper.c", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"},
	{"passlib 1.7.4: pbkdf2_sha256.using(rounds=1, salt=salt).hash('')", "$pbkdf2-sha256$1$AAECAwQFBgcICQoLDA0ODw$xrdBO.u3Y72pYuXZTiQyfgfU2qnpfBTqQSa6S3zLDRY"},
	{"passlib 1.7.4: scrypt.using(rounds=4, salt=salt).hash('')", "$scrypt$ln=4,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$AdfLIQlgszRE3k0QSFUyWVPW5fMbtvpjabg27VebhU0"},
	{"argon2-cffi 25.1.0: hash_secret(b'', salt, 1, 64, 1, 32, Type.ID)", "$argon2id$v=19$m=64,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$33SjuV6/zzjSAgU4dA/CwCrhp6Zlln5wL5DZIdWFgJo"},
	{"openssl dgst -sm3 over the salt", "$sm3$before$AAECAwQFBgcICQoLDA0ODw==$f65c16e869f79670dee45f4b56fe2b3e0308d8fefc3214e16c64b7f5d3741e89"},
}

// raw are vectors of standards, written in the forms above.
func raw(t *testing.T) []struct{ source, password, hash string } {
	plain := func(hexed string) string {
		b, err := hex.DecodeString(strings.ReplaceAll(hexed, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawStdEncoding.EncodeToString(b)
	}
	passlib := func(hexed string) string { return strings.ReplaceAll(plain(hexed), "+", ".") }
	return []struct{ source, password, hash string }{
		{"RFC 7914 section 11, its first 32 bytes", "passwd", "$pbkdf2-sha256$1$" + passlib(hex.EncodeToString([]byte("salt"))) + "$" +
			passlib("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc")},
		{"RFC 7914 section 12", "pleaseletmein", "$scrypt$ln=14,r=8,p=1$" + plain(hex.EncodeToString([]byte("SodiumChloride"))) + "$" +
			plain("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887")},
		{"GB/T 32905-2016 example 1, SM3 of abc: the salt a before bc", "bc", "$sm3$before$" + plain("61") + "$66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"},
		{"GB/T 32905-2016 example 1, SM3 of abc: the salt c after ab", "ab", "$sm3$after$" + plain("63") + "$66C7F0F462EEEDD9D1F2D46BDC10E4E24167C4875CF2F7A2297DA02B8F4BA8E0"},
	}
}

func TestForeignVectors(t *testing.T) {
	h := New(Config{Slots: 2, Memory: 64, Time: 1})
	for _, v := range append(vectors, raw(t)...) {
		p, ok := h.Foreign(v.hash)
		if !ok {
			t.Errorf("%s: %s isn't read", v.source, v.hash)
			continue
		}
		stored, err := h.Adopt(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if wrapped := stored.Algorithm == argon2id; wrapped != cheap(p.Inner) || !h.Outdated(stored, "x") {
			t.Errorf("%s: stored as %s, cheap is %t", v.source, stored.Algorithm, cheap(p.Inner))
		}
		if cheap(p.Inner) && strings.Contains(string(stored.Sum), string(p.Sum)) {
			t.Errorf("%s: the cheap hash itself is stored", v.source)
		}
		for _, one := range []identity.PasswordHash{p, stored} {
			for text, want := range map[string]bool{v.password: true, v.password + "x": len(v.password) > 72, "another": false} {
				h := New(Config{}) // a new one isn't evened
				if got, err := h.Matches(t.Context(), one, text, LaneKnown); err != nil || got != want {
					t.Errorf("%s, %s: password %q: %t, %v, want %t", v.source, one.Algorithm, text, got, err, want)
				}
			}
		}
	}
}

// TestForeignForms reads hashes of a library, and forms that Django and others have.
func TestForeignForms(t *testing.T) {
	h := New(Config{Slots: 2, Memory: 64, Time: 1})
	made, err := bcrypt.GenerateFromPassword([]byte("样例密码"), 4)
	if err != nil {
		t.Fatal(err)
	}
	for text, password := range map[string]string{
		string(made): "样例密码",
		strings.Replace(string(made), "$2a$", "$2y$", 1): "样例密码",
		strings.Replace(string(made), "$2a$", "$2b$", 1): "样例密码",
		// Django's own tests, tests/auth_tests/test_hashers.py, of an older default.
		"pbkdf2_sha256$10000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY=": "lètmein",
	} {
		p, ok := h.Foreign(text)
		if !ok {
			t.Errorf("%s isn't read", text)
			continue
		}
		if right, err := h.Matches(t.Context(), p, password, LaneKnown); err != nil || !right {
			t.Errorf("%s: %t, %v", text, right, err)
		}
	}
}

// TestForeignRefused reads what is of no form that is known, or isn't written as its programs write it.
func TestForeignRefused(t *testing.T) {
	h := New(Config{})
	salt, sum, bcrypted := strings.Repeat("A", 22), strings.Repeat("A", 43), strings.Repeat("A", 53)
	for _, text := range []string{
		"", "password", "5f4dcc3b5aa765d61d8327deb882cf99", "*", "$2b$", "$1$abcdefgh$abcdefghabcdefghabcdef", "$6$salt$" + strings.Repeat("A", 86),
		"$2$10$" + bcrypted, "$2x$10$" + bcrypted, "$2B$10$" + bcrypted, "$2b$10$" + bcrypted[1:], "$2b$10$" + bcrypted + "A", "$2b$10$" + bcrypted + "\n", "$2b$1$" + bcrypted,
		"$2b$+5$" + bcrypted, "$2b$10$" + bcrypted[1:] + "+", "bcrypt$$2b$10$" + bcrypted, "$bcrypt-sha256$v=2,t=2b,r=10$" + salt + "$" + bcrypted[:31],
		"$pbkdf2-sha256$0$" + salt + "$" + sum, "$pbkdf2-sha256$01000$" + salt + "$" + sum, "$pbkdf2-sha256$4000000000$" + salt + "$" + sum,
		"$pbkdf2-sha256$18446744073709551617$" + salt + "$" + sum, "$pbkdf2-sha256$1e3$" + salt + "$" + sum, "$pbkdf2-sha256$1000$" + salt + "$" + sum[:20],
		"$pbkdf2-sha256$1000$" + salt + "$" + sum[1:] + "+", "$pbkdf2-sha256$1000$" + salt + "$" + sum[1:] + "B", "$pbkdf2-sha256$1000$" + salt[1:] + "B$" + sum,
		"$pbkdf2-sha256$1000$AAAAA$" + sum, "$pbkdf2$1000$" + salt + "$" + sum, "$PBKDF2-SHA256$1000$" + salt + "$" + sum, "$pbkdf2-sha512$1000$" + strings.Repeat("A", 200) + "$" + sum,
		"pbkdf2_sha256$-1$x$" + sum + "=", "pbkdf2_sha256$1000$$" + sum + "=", "pbkdf2_sha256$1000$a$b$" + sum + "=", "pbkdf2_sha256$1000$x$" + sum + "===", "pbkdf2_sha1$1000$x$" + sum + "=",
		"pbkdf2_sha256$1000$" + strings.Repeat("x", 65) + "$" + sum + "=", "pbkdf2_sha256$1000$" + strings.Repeat("x", 1<<20) + "$" + sum + "=", "!" + strings.Repeat("x", 40),
		"$scrypt$ln=0,r=8,p=1$" + salt + "$" + sum, "$scrypt$ln=010,r=8,p=1$" + salt + "$" + sum, "$scrypt$ln=10,r=8$" + salt + "$" + sum, "$scrypt$16,8,1$" + salt + "$" + sum,
		"$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + sum, "$argon2id$m=64,t=1,p=1$" + salt + "$" + sum, "$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1,p=1,keyid=AAAA$" + salt + "$" + sum, "$argon2id$v=19$t=1,m=64,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=64,t=1,p=0$" + salt + "$" + sum,
		"$sm3$before$YQ==$66c7", "$sm3$between$YQ==$" + strings.Repeat("0", 64), "$sm3$before$YQ===$" + strings.Repeat("0", 64), "$sm3$before$" + strings.Repeat("0", 64),
		"$sm3$before$YQ==$0x" + strings.Repeat("0", 62), "$sm3$before$YQ==$" + strings.Repeat("g", 64), "$SM3$before$YQ==$" + strings.Repeat("0", 64),
	} {
		if p, ok := h.Foreign(text); ok {
			t.Errorf("%.200q is read as %+v", text, p)
		}
	}
}

// TestForeignSalt: with no salt, or a short one, one search would find many people's passwords. So
// such a hash is hashed once more, whatever it cost.
func TestForeignSalt(t *testing.T) {
	h := New(Config{Memory: 64, Time: 1})
	for salt, want := range map[string]bool{"": true, "AAAAAAAAAA": true, "AAAAAAAAAAA": false} {
		p, ok := h.Foreign("$pbkdf2-sha256$600000$" + salt + "$" + strings.Repeat("A", 43))
		if !ok {
			t.Fatalf("salt %q isn't read", salt)
		}
		stored, err := h.Adopt(t.Context(), p)
		if err != nil || stored.Algorithm == argon2id != want {
			t.Errorf("salt %q: stored as %s, %v", salt, stored.Algorithm, err)
		}
	}
}

// TestForeignCut: bcrypt takes 72 bytes of a password. Somebody whose password is longer logs in, as
// in the other system, but the rest isn't known to be right: so it never becomes part of a password.
func TestForeignCut(t *testing.T) {
	const first = "012345678901234567890123456789012345678901234567890123456789012345678901" // 72 bytes
	// Made by Python bcrypt 5.0.0, of 72 bytes, and by libxcrypt 4.4, of these and eight more.
	const text = "$2b$04$abcdefghijklmnopqrstuum2G75IXDN/xsgbNa/hCiPSKyIHQd70S"
	h := New(Config{Memory: 64, Time: 1})
	p, ok := h.Foreign(text)
	if !ok {
		t.Fatal("it isn't read")
	}
	for password, want := range map[string]bool{first: true, first + "23456789": true, first + "wrong": true, first[:71]: false, first[:71] + "x": false} {
		if right, err := h.Matches(t.Context(), p, password, LaneKnown); err != nil || right != want {
			t.Errorf("%s: %t, %v", password, right, err)
		}
		if err := bcrypt.CompareHashAndPassword([]byte(text), []byte(password)); err == nil != want {
			t.Errorf("golang.org/x/crypto/bcrypt: %s: %v", password, err)
		}
		renewed, err := h.Renew(t.Context(), p, password)
		if long := len(password) >= 72; long != (err != nil) || long != !h.Outdated(p, password) || long && !renewed.IsZero() {
			t.Errorf("%s is renewed: %+v, %v", password, renewed, err)
		}
	}
	if _, err := h.Renew(t.Context(), h.Blank(), first+"x"); err != nil {
		t.Errorf("a long password with a hash of ours isn't renewed: %v", err)
	}
}

// TestForeignEmpty: the empty password logs nobody in, nor does what can't be a password here, even if
// the other system took it. Each costs a hash, like any other.
func TestForeignEmpty(t *testing.T) {
	h := New(Config{Memory: 64, Time: 1})
	var all []identity.PasswordHash
	for _, v := range emptied {
		p, ok := h.Foreign(v.hash)
		if !ok {
			t.Fatalf("%s isn't read", v.source)
		}
		if sum, err := computeInner(p.Inner, nil); err != nil || string(sum) != string(p.Sum) {
			t.Errorf("%s: it isn't of the empty password: %v", v.source, err)
		}
		stored, err := h.Adopt(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p, stored)
	}
	for _, password := range []string{strings.Repeat("x", 1025), "\xff"} {
		p := all[len(all)-2] // the SM3
		p.Sum = sm3Sum(p.Inner.Salt, []byte(password))
		all = append([]identity.PasswordHash{p}, all...)
	}
	ours, err := h.make(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(all, ours) {
		for _, password := range []string{"", strings.Repeat("x", 1025), strings.Repeat("x", 1<<20), "\xff", "\x00", "\x00\x00"} {
			before := h.Computed()
			if right, err := h.Matches(t.Context(), p, password, LaneKnown); err != nil || right {
				t.Errorf("%s %s: password %.10q: %t, %v", p.Algorithm, p.Inner.Scheme, password, right, err)
			}
			if h.Computed() != before+1 {
				t.Errorf("%s %s: password %.10q: %d hashes were computed", p.Algorithm, p.Inner.Scheme, password, h.Computed()-before)
			}
		}
	}
	for _, password := range []string{"", "\xff", strings.Repeat("x", 1025)} {
		if p, err := h.Renew(t.Context(), ours, password); err == nil {
			t.Errorf("%.10q was renewed: %+v", password, p)
		}
	}
}

// TestForeignNUL: bcrypt repeats a password with a NUL behind it, and HMAC fills it up with NULs. So
// passwords with NULs have the same hash as others.
func TestForeignNUL(t *testing.T) {
	h := New(Config{Memory: 64, Time: 1})
	for _, v := range []struct{ hash, password, same string }{
		{"$2y$05$abcdefghijklmnopqrstuugxcJZ0xsGLdJB0IQpGuZsQYt17eFv5q", "样例", "样例\x00样例"},
		{"$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44", "password", "password\x00"},
	} {
		p, _ := h.Foreign(v.hash)
		if sum, err := computeInner(p.Inner, []byte(v.same)); err != nil || string(sum) != string(p.Sum) {
			t.Errorf("%q has another hash, %v", v.same, err)
		}
		for password, want := range map[string]bool{v.password: true, v.same: false} {
			if right, err := h.Matches(t.Context(), p, password, LaneKnown); err != nil || right != want {
				t.Errorf("%q: %t, %v", password, right, err)
			}
		}
	}
}

// FuzzForeign reads hashes, and checks none.
func FuzzForeign(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.hash)
	}
	for _, v := range emptied {
		f.Add(v.hash)
	}
	for _, v := range bounds {
		f.Add(v.most)
		f.Add(v.more)
	}
	h := New(Config{})
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := h.Foreign(text)
		i := p.Inner
		switch {
		case !ok:
			return
		case p.Algorithm != inner || !allowed(i) || i.Length != len(p.Sum) || len(i.Salt) > 64 || i.Length < 16 || i.Length > 64:
			t.Errorf("%q: %+v", text, p)
		case strings.HasPrefix(i.Scheme, "pbkdf2") && i.Cost > 2_000_000, i.Scheme == schemePBKDF2SHA512 && i.Cost > 500_000, i.Scheme == schemeBcrypt && i.Cost > 13,
			i.Scheme == schemeScrypt && uint64(i.Memory)<<i.Cost*uint64(i.Lanes) > 1<<20, i.Scheme == schemeArgon2id && uint64(i.Memory)*uint64(i.Cost) > 1<<18:
			t.Errorf("%q costs too much: %+v", text, p)
		}
	})
}
