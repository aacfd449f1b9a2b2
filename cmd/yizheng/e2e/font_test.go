package e2e

import "testing"

// TestFont: this machine has a font for Chinese, rare characters of names
// included. Without one each is drawn as the same box, and pictures of the pages
// show nothing else.
func TestFont(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, pc)
	b.open("data:text/html,<title>x</title>")
	drawn := eval[map[string]string](b, `(() => {
		const drawn = {}
		for (const character of ['\u{10FFFD}', ...'证照一䶮㛃𣲗𬱖']) {
			const canvas = document.createElement('canvas')
			canvas.width = canvas.height = 40
			const g = canvas.getContext('2d')
			g.font = '32px sans-serif'
			g.fillText(character, 0, 34)
			drawn[character] = canvas.toDataURL()
		}
		return drawn
	})()`)
	seen := map[string]string{}
	for character, picture := range drawn {
		if other, ok := seen[picture]; ok {
			t.Errorf("%q and %q look alike: a font for Chinese is missing; .ci/install installs fonts-noto-cjk", character, other)
		}
		seen[picture] = character
	}
	if len(drawn) != 8 {
		t.Errorf("%d characters were drawn", len(drawn))
	}
}
