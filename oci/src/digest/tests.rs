use super::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn sha256_gives_the_published_values() {
    assert_eq!(BlobDigest::of(b"").hex(), EMPTY);
    assert_eq!(BlobDigest::of(b"abc").to_string(), format!("sha256:{ABC}"));
    assert_eq!(DiffId::of(b"abc").hex(), ABC);
    let mut pieces = Sha256::default();
    for piece in [&b"a"[..], b"", b"bc"] {
        pieces.update(piece);
    }
    assert_eq!(BlobDigest::from_bytes(pieces.finish()).hex(), ABC);
    let million = vec![b'a'; 1_000_000];
    let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    assert_eq!(BlobDigest::of(&million).hex(), expected);
}

#[test]
fn both_implementations_agree() {
    for len in [0usize, 1, 55, 56, 63, 64, 65, 127, 128, 1000, 100_000] {
        let bytes: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let [rust, ring] = [
            Backend::Rust(sha2::Sha256::default()),
            Backend::Ring(ring::digest::Context::new(&ring::digest::SHA256)),
        ]
        .map(|backend| {
            let mut hash = Sha256(backend);
            bytes.chunks(77).for_each(|chunk| hash.update(chunk));
            hash.finish()
        });
        assert_eq!(rust, ring, "{len} bytes");
    }
}

#[test]
fn blake3_gives_the_published_value() {
    let expected = "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(ContentDigest::of(b"").to_string(), expected);
}

#[test]
fn digests_parse_back_and_nothing_else_parses() {
    let digest = BlobDigest::of(b"abc");
    assert_eq!(digest.to_string().parse(), Ok(digest));
    assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"sha256:{ABC}\""));
    assert_eq!(serde_json::from_str::<BlobDigest>(&format!("\"sha256:{ABC}\"")).unwrap(), digest);
    // An escape in JSON makes an owned string of it.
    assert_eq!(serde_json::from_str::<BlobDigest>(&format!("\"sha25\\u0036:{ABC}\"")).unwrap(), digest);
    let upper = format!("sha256:{}", ABC.to_uppercase());
    let short = format!("sha256:{}", &ABC[1..]);
    let long = format!("sha256:{ABC}0");
    let foreign = format!("blake3:{ABC}");
    let multibyte = format!("sha256:{}é", &ABC[2..]);
    for text in
        ["", "sha256:", ABC, &upper, &short, &long, &foreign, &multibyte, " sha256:", "sha256:../../etc"]
    {
        let Err(error) = text.parse::<BlobDigest>() else { panic!("`{text}` was accepted") };
        assert!(error.to_string().contains("sha256:<64 hexadecimal digits>"), "{error}");
    }
    assert!(format!("sha256:{ABC}").parse::<LayerId>().is_err());
}

#[test]
fn chains_are_those_of_the_specification() {
    let (a, b) = (DiffId::of(b"a"), DiffId::of(b"b"));
    let one = ChainId::extend(None, a);
    assert_eq!(one.hex(), a.hex(), "the chain of one layer is its diff id");
    let two = ChainId::extend(Some(one), b);
    assert_eq!(two.as_bytes(), &Sha256::digest(format!("{a} {b}").as_bytes()));
}

#[test]
fn debug_is_short_and_tells_the_type() {
    assert_eq!(format!("{:?}", DiffId::of(b"abc")), "DiffId(sha256:ba7816bf8f01…)");
}
