//! The Rust client's hello-world, unchanged client, against a Cairn playground: it uses unary calls and the old region
//! lookups, where the Go client uses streams. Usage: cairn-hello PD_ADDRESS [KEYSPACE | CA CERT KEY]; with a keyspace it
//! speaks API V2, with the three files TLS. Prints `hello` and exits 0 if all is well.

use tikv_client::{Config, Key, RawClient, Result, TransactionClient};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let pd = arguments.first().expect("usage: cairn-hello PD_ADDRESS [KEYSPACE | CA CERT KEY]").clone();
    let config = match &arguments[1..] {
        [ca, cert, key] => Config::default().with_security(ca, cert, key),
        [keyspace] => Config::default().with_keyspace(keyspace),
        _ => Config::default(),
    };

    let raw = RawClient::new_with_config(vec![pd.clone()], config.clone()).await?;
    raw.put("rust/raw".to_owned(), "1".to_owned()).await?;
    assert_eq!(raw.get("rust/raw".to_owned()).await?, Some(b"1".to_vec()));
    raw.batch_put((0..100).map(|i| (format!("rust/batch/{i:03}"), format!("{i}")))).await?;
    // Its raw scan says V1 whatever the keyspace.
    if config.keyspace.is_none() {
        // As many as there are: asked for more, this client goes round again behind the last region.
        let pairs = raw.scan("rust/batch/".to_owned().."rust/batch0".to_owned(), 100).await?;
        assert_eq!(pairs.len(), 100);
        assert_eq!(pairs[7].1, b"7".to_vec());
    }
    let pairs = raw.batch_get((0..100).map(|i| format!("rust/batch/{i:03}"))).await?;
    assert_eq!(pairs.len(), 100);
    raw.delete("rust/raw".to_owned()).await?;
    assert_eq!(raw.get("rust/raw".to_owned()).await?, None);

    let client = TransactionClient::new_with_config(vec![pd], config).await?;
    let mut txn = client.begin_optimistic().await?;
    txn.put("rust/txn/a".to_owned(), "hello".to_owned()).await?;
    txn.put("rust/txn/b".to_owned(), "world".to_owned()).await?;
    txn.commit().await?;
    let mut reader = client.begin_optimistic().await?;
    assert_eq!(reader.get("rust/txn/a".to_owned()).await?, Some(b"hello".to_vec()));
    let keys: Vec<Key> = reader.scan_keys("rust/txn/".to_owned().."rust/txn0".to_owned(), 10).await?.collect();
    assert_eq!(keys.len(), 2);
    reader.rollback().await?;

    println!("hello");
    Ok(())
}
